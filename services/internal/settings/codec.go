package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

// spec is what a definition needs beside its type.
type spec struct {
	key, description string
	scopes           []Scope
}

// codec reads and writes values of a type.
type codec[T any] struct {
	kind  Type
	parse func(json.RawMessage) (T, error)
	read  func(string) (T, error)
	text  func(T) string
	// check is what the type alone doesn't say; its error says what is wrong.
	check func(T) error
}

// define makes a key. The default must pass the check; a test sees to it.
func define[T any](s spec, fallback T, allowed string, c codec[T]) Key[T] {
	checked := func(v T, err error) (any, error) {
		if err == nil && c.check != nil {
			err = c.check(v)
		}
		return v, err
	}
	return Key[T]{fallback: fallback, Definition: &Definition{
		Key: s.key, Type: c.kind, Default: c.text(fallback), Range: allowed, Scopes: s.scopes, Description: s.description,
		parse: func(raw json.RawMessage) (any, error) { return checked(c.parse(raw)) },
		read:  func(text string) (any, error) { return checked(c.read(text)) },
		text: func(v any) string {
			t, _ := v.(T)
			return c.text(t)
		},
	}}
}

var (
	errNotBool     = errors.New("is not a bool")
	errNotInt      = errors.New("is not a whole number")
	errNotFloat    = errors.New("is not a number")
	errNotString   = errors.New("is not a string")
	errNotDuration = errors.New("is not a duration")
	errNotList     = errors.New("is not a list of strings")
	errOutOfRange  = errors.New("is out of range")
	errNotAllowed  = errors.New("is not one of them")
)

func boolKey(s spec, fallback bool) Key[bool] {
	return define(s, fallback, "true or false", codec[bool]{
		kind:  Bool,
		parse: func(raw json.RawMessage) (bool, error) { return readBool(string(bytes.TrimSpace(raw))) },
		read:  readBool,
		text:  strconv.FormatBool,
	})
}

// readBool takes nothing but these two words: "false" in quotes, 0 and no are
// what people believed to have switched off.
func readBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errNotBool
}

func intKey(s spec, fallback, least, most int) Key[int] {
	return define(s, fallback, fmt.Sprintf("%d to %d", least, most), codec[int]{
		kind:  Int,
		parse: func(raw json.RawMessage) (int, error) { return readInt(string(bytes.TrimSpace(raw))) },
		read:  readInt,
		text:  strconv.Itoa,
		check: func(v int) error { return within(v, least, most) },
	})
}

func readInt(text string) (int, error) {
	v, err := strconv.Atoi(text)
	if err != nil || strings.HasPrefix(text, "+") {
		return 0, errNotInt
	}
	return v, nil
}

func floatKey(s spec, fallback, least, most float64) Key[float64] {
	return define(s, fallback, floatText(least)+" to "+floatText(most), codec[float64]{
		kind: Float,
		parse: func(raw json.RawMessage) (float64, error) {
			var v *float64
			if err := json.Unmarshal(raw, &v); err != nil || v == nil {
				return 0, errNotFloat
			}
			return *v, nil
		},
		read:  readFloat,
		text:  floatText,
		check: func(v float64) error { return within(v, least, most) },
	})
}

func readFloat(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, errNotFloat
	}
	return v, nil
}

func floatText(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// probability is a float from 0 to 1.
func probability(s spec, fallback float64) Key[float64] { return floatKey(s, fallback, 0, 1) }

func durationKey(s spec, fallback, least, most time.Duration) Key[time.Duration] {
	return define(s, fallback, fmt.Sprintf("%v to %v", least, most), codec[time.Duration]{
		kind:  Duration,
		parse: func(raw json.RawMessage) (time.Duration, error) { return fromString(raw, readDuration) },
		read:  readDuration,
		text:  time.Duration.String,
		check: func(v time.Duration) error { return within(v, least, most) },
	})
}

func readDuration(text string) (time.Duration, error) {
	v, err := time.ParseDuration(text)
	if err != nil {
		return 0, errNotDuration
	}
	return v, nil
}

func enumKey(s spec, fallback string, allowed ...string) Key[string] {
	same := func(text string) (string, error) { return text, nil }
	return define(s, fallback, oneOf(allowed), codec[string]{
		kind:  Enum,
		parse: func(raw json.RawMessage) (string, error) { return fromString(raw, same) },
		read:  same,
		text:  func(v string) string { return v },
		check: func(v string) error {
			if !slices.Contains(allowed, v) {
				return errNotAllowed
			}
			return nil
		},
	})
}

// maxItems bounds lists.
const maxItems = 50

func hoursKey(s spec, fallback ...string) Key[[]hours.Range] {
	ranges, err := hours.ParseAll(fallback)
	if err != nil {
		panic(err) // A constant of this package.
	}
	return define(s, ranges, fmt.Sprintf("at most %d times HH:MM-HH:MM", maxItems), codec[[]hours.Range]{
		kind: Hours,
		parse: func(raw json.RawMessage) ([]hours.Range, error) {
			texts, err := parseStrings(raw)
			if err != nil {
				return nil, err
			}
			return hours.ParseAll(texts)
		},
		read: func(text string) ([]hours.Range, error) { return hours.ParseAll(splitList(text)) },
		text: joinList[hours.Range],
		check: func(v []hours.Range) error {
			if len(v) > maxItems {
				return errOutOfRange
			}
			return nil
		},
	})
}

func parseStrings(raw json.RawMessage) ([]string, error) {
	var texts []*string
	if err := json.Unmarshal(raw, &texts); err != nil || texts == nil || slices.Contains(texts, nil) {
		return nil, errNotList
	}
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = *text
	}
	return list, nil
}

func splitList(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

func joinList[T fmt.Stringer](items []T) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.String()
	}
	return strings.Join(texts, ",")
}

func fromString[T any](raw json.RawMessage, read func(string) (T, error)) (T, error) {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		var none T
		return none, errNotString
	}
	return read(*text)
}

func within[T int | float64 | time.Duration](v, least, most T) error {
	// Written so that what is no number is outside.
	if !(v >= least && v <= most) {
		return errOutOfRange
	}
	return nil
}

// oneOf lists what is allowed: "a, b or c".
func oneOf[T ~string](items []T) string {
	var b strings.Builder
	for i, item := range items {
		switch {
		case i == 0:
		case i == len(items)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(item))
	}
	return b.String()
}
