package controlapi

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

const maxShown = 60 // bytes of a wrong value

// explain says in one line which field of a body can't be decoded into a type,
// its value, and what is allowed. try decodes a body. The errors of
// encoding/json name the field in some cases only, so explain looks for it by
// decoding each field alone.
func explain(body json.RawMessage, t reflect.Type, try func([]byte) error) string {
	p := place{path: "", raw: body, of: t, wrap: func(raw json.RawMessage) []byte { return raw }}
	for {
		inner, ok := p.inner(try)
		if !ok {
			return p.complain(try(p.wrap(p.raw)))
		}
		p = inner
	}
}

// place is a value in a body.
type place struct {
	path string
	raw  json.RawMessage
	of   reflect.Type // that it is decoded into; nil for an unknown field
	in   reflect.Type // the object that it is a field of
	// wrap makes a body that has nothing but a value in this place.
	wrap func(json.RawMessage) []byte
}

// inner finds the part of a value that can't be decoded; false if that is the
// value as a whole.
func (p place) inner(try func([]byte) error) (place, bool) {
	var (
		fields   map[string]json.RawMessage
		elements []json.RawMessage
	)
	switch {
	case json.Unmarshal(p.raw, &fields) == nil && try(p.wrap(json.RawMessage("{}"))) == nil:
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if part := p.field(name, fields[name]); try(part.wrap(part.raw)) != nil {
				return part, true
			}
		}
	case json.Unmarshal(p.raw, &elements) == nil && try(p.wrap(json.RawMessage("[]"))) == nil:
		for i, raw := range elements {
			if part := p.element(i, raw); try(part.wrap(part.raw)) != nil {
				return part, true
			}
		}
	}
	return p, false
}

func (p place) field(name string, raw json.RawMessage) place {
	key, _ := json.Marshal(name) // a string can always be written
	part := place{path: strings.TrimPrefix(p.path+"."+name, "."), raw: raw, in: p.of}
	part.wrap = func(raw json.RawMessage) []byte { return p.wrap(fmt.Appendf(nil, "{%s:%s}", key, raw)) }
	if p.of != nil && p.of.Kind() == reflect.Map {
		part.of = p.of.Elem()
	} else {
		part.of = fieldsOf(p.of)[name]
	}
	return part
}

func (p place) element(i int, raw json.RawMessage) place {
	part := place{path: fmt.Sprintf("%s[%d]", p.path, i), raw: raw}
	part.wrap = func(raw json.RawMessage) []byte { return p.wrap(fmt.Appendf(nil, "[%s]", raw)) }
	if of := pointed(p.of); of != nil && of.Kind() == reflect.Slice {
		part.of = of.Elem()
	}
	return part
}

func (p place) complain(err error) string {
	path := p.path
	if path == "" {
		path = "body"
	}
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return path + ": can't be read"
	case p.of == nil && p.in != nil:
		return fmt.Sprintf("%s: not a known field, must be one of %s", path, strings.Join(slices.Sorted(maps.Keys(fieldsOf(p.in))), ", "))
	case errors.As(err, &mismatch):
		return fmt.Sprintf("%s: %s is not allowed, must be %s", path, p.shown(), kindOf(p.of))
	default:
		return path + ": " + err.Error()
	}
}

// shown is the value as given, unless it is secret or long.
func (p place) shown() string {
	if strings.HasSuffix(p.path, "token") {
		return "(not shown)"
	}
	var line bytes.Buffer
	if err := json.Compact(&line, p.raw); err != nil {
		return "it"
	}
	if line.Len() > maxShown {
		return strings.ToValidUTF8(string(line.Bytes()[:maxShown]), "") + "..."
	}
	return line.String()
}

// fieldsOf returns the types of an object's fields by their names in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	if t = pointed(t); t == nil || t.Kind() != reflect.Struct {
		return fields
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	return fields
}

func pointed(t reflect.Type) reflect.Type {
	if t != nil && t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// kindOf says in words what is decoded into a type.
func kindOf(t reflect.Type) string {
	t = pointed(t)
	if t == nil {
		return "left out"
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint64:
		return "a whole number of 0 or more"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}
