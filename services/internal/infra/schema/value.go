package schema

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

var errValue = errors.New("is no value of this type")

// Parse parses a value of the field's type; Check checks whether it is allowed. A list's
// entries are separated by commas.
func (f Field) Parse(text string) (reflect.Value, error) {
	if f.Kind != List {
		return parse(f.Type, text)
	}
	var items []string
	if strings.TrimSpace(text) != "" {
		items = strings.Split(text, ",")
	}
	list := reflect.MakeSlice(f.Type, len(items), len(items))
	for i, item := range items {
		v, err := parse(f.Type.Elem(), strings.TrimSpace(item))
		if err != nil {
			return list, err
		}
		list.Index(i).Set(v)
	}
	return list, nil
}

// MustParse parses a value from the program itself, such as a default. It panics on a
// mistake.
func (f Field) MustParse(text string) reflect.Value {
	v, err := f.Parse(text)
	if err != nil {
		panic("schema: " + f.Name + ": " + strconv.Quote(text) + ": " + err.Error())
	}
	return v
}

func parse(t reflect.Type, text string) (reflect.Value, error) {
	v := reflect.New(t).Elem()
	var err error
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok && kindOf(t) == Text {
		if err = u.UnmarshalText([]byte(text)); err != nil {
			err = fmt.Errorf("read: %w", err)
		}
		return v, err
	}
	switch kindOf(t) {
	case Text:
		v.SetString(text)
	case Bool:
		// Only these two words: people wrote 0 and no, and believed that they had switched
		// something off.
		if text != "true" && text != "false" {
			err = errValue
		}
		v.SetBool(text == "true")
	case Whole:
		var n int64
		if n, err = strconv.ParseInt(text, 10, t.Bits()); strings.HasPrefix(text, "+") {
			err = errValue
		}
		v.SetInt(n)
	case Number:
		var n float64
		// No NaN and no infinity: no check of a range would reject NaN.
		if n, err = strconv.ParseFloat(text, t.Bits()); math.IsNaN(n) || math.IsInf(n, 0) {
			err = errValue
		}
		v.SetFloat(n)
	case Length:
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.SetInt(int64(d))
	case Secret:
		v.Set(reflect.ValueOf(secret.New(text)))
	case Ref:
		var ref secret.Ref
		if ref, err = secret.ParseRef(text); err == nil {
			v.Set(reflect.ValueOf(ref))
		}
	}
	return v, err
}

// Format returns a value in the form that Parse reads; a secret.String is masked.
func Format(v reflect.Value) string {
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok && kindOf(v.Type()) == Text {
		text, _ := m.MarshalText()
		return string(text)
	}
	switch kindOf(v.Type()) {
	case Text:
		return v.String()
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Whole:
		return strconv.FormatInt(v.Int(), 10)
	case Number:
		if exact := strconv.FormatFloat(v.Float(), 'f', -1, v.Type().Bits()); len(exact) <= 12 {
			return exact
		}
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	case Length:
		return duration(time.Duration(v.Int()))
	case List:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = Format(v.Index(i))
		}
		return strings.Join(items, ",")
	}
	if s, ok := reflect.TypeAssert[fmt.Stringer](v); ok {
		return s.String()
	}
	return ""
}

// duration returns 2m where package time returns 2m0s.
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
