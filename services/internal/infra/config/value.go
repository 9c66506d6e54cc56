package config

import (
	"errors"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// raw is a value as it was written, before it gets a type. Its fields are
// exported because koanf copies the values it gives out, and can't copy others.
type raw struct {
	Text   string
	List   []string
	IsList bool
	Origin string
}

// kind is how values of one type are written.
type kind struct {
	name  string
	want  string
	parse func(raw) (any, error)
	text  func(any) string
}

const (
	kindText  = "text"
	kindBool  = "true or false"
	kindWhole = "whole number"
	kindRef   = "reference"
	kindList  = "list"
)

var errValue = errors.New("is no value of this type")

func known(t reflect.Type) bool {
	_, ok := kindOf(t)
	return ok
}

func kindOf(t reflect.Type) (kind, bool) {
	switch t {
	case reflect.TypeFor[string]():
		return kind{
			name: kindText, want: "a text",
			parse: scalar(func(s string) (string, error) { return s, nil }), text: plain(strings.Clone),
		}, true
	case reflect.TypeFor[bool]():
		return kind{
			name: kindBool, want: kindBool,
			parse: scalar(strconv.ParseBool), text: plain(strconv.FormatBool),
		}, true
	case reflect.TypeFor[int]():
		return kind{
			name: kindWhole, want: "a whole number",
			parse: scalar(strconv.Atoi), text: plain(strconv.Itoa),
		}, true
	case reflect.TypeFor[int64]():
		return kind{
			name: kindWhole, want: "a whole number",
			parse: scalar(parseInt64), text: plain(func(i int64) string { return strconv.FormatInt(i, 10) }),
		}, true
	case reflect.TypeFor[float64]():
		return kind{
			name: "number", want: "a number",
			parse: scalar(parseFloat), text: plain(func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }),
		}, true
	case reflect.TypeFor[time.Duration]():
		return kind{
			name: "duration", want: "a duration such as 500ms, 5s or 1m30s",
			parse: scalar(time.ParseDuration), text: plain(durationText),
		}, true
	case reflect.TypeFor[[]string]():
		return kind{
			name: kindList, want: "texts separated by commas",
			parse: parseList, text: plain(func(l []string) string { return strings.Join(l, ",") }),
		}, true
	case reflect.TypeFor[secret.String]():
		return kind{
			name: "secret", want: "a text",
			parse: scalar(func(s string) (secret.String, error) { return secret.New(s), nil }), text: plain(secret.String.String),
		}, true
	case reflect.TypeFor[secret.Ref]():
		return kind{
			name: kindRef, want: "env:NAME or file:PATH, never the secret itself",
			parse: scalar(parseRef), text: plain(refText),
		}, true
	}
	return kind{}, false
}

func scalar[T any](parse func(string) (T, error)) func(raw) (any, error) {
	return func(r raw) (any, error) {
		if r.IsList {
			return nil, errValue
		}
		return parse(r.Text)
	}
}

func plain[T any](text func(T) string) func(any) string {
	return func(v any) string {
		t, _ := v.(T) // kindOf chose it by the type of v
		return text(t)
	}
}

func parseInt64(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

// parseFloat takes no NaN and no infinity: no check of a range would stop them.
func parseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		err = errValue
	}
	return f, err
}

func parseList(r raw) (any, error) {
	list := r.List
	if !r.IsList && r.Text != "" {
		list = strings.Split(r.Text, ",")
	}
	trimmed := make([]string, 0, len(list))
	for _, item := range list {
		trimmed = append(trimmed, strings.TrimSpace(item))
	}
	return trimmed, nil
}

func parseRef(s string) (secret.Ref, error) {
	place, rest, _ := strings.Cut(s, ":")
	switch {
	case s == "":
		return secret.Ref{}, nil
	case place == "env" && regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(rest):
		return secret.Ref{Env: rest}, nil
	case place == "file" && rest != "":
		return secret.Ref{File: rest}, nil
	}
	return secret.Ref{}, errValue
}

func refText(r secret.Ref) string {
	switch {
	case r.Env != "":
		return "env:" + r.Env
	case r.File != "":
		return "file:" + r.File
	}
	return ""
}

// durationText is 2m where package time says 2m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
