// Package schema describes structs of values by the tags of their fields, reads values from
// text and YAML, and checks them. It describes configuration, cast files and settings:
//
//	default  the value where none is given
//	required set where it must be given
//	min, max the range of a number, or of a text's length in characters; of
//	         each entry in a list of texts
//	entries  the most entries of a list
//	enum     the words that are allowed, separated by commas
//	pattern  a regular expression for a text that is not empty
//	want     what is allowed, in words, where it does not follow from the above
//	key      set where it tells the entries of a list apart
//	secret   set where errors must not repeat the value
//	object   set where a text is a JSON object
//	doc      what it is for
package schema

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Schema describes a struct: its fields in order.
type Schema struct {
	Type   reflect.Type
	Fields []Field
}

// Field describes one value of a struct.
type Field struct {
	Name     string // as in files and errors
	Doc      string // its purpose
	Default  string // its value if none is given, as text
	Required bool   // it must be given
	Kind     string // how its values are written: text, number, ...
	Want     string // what is allowed, in words
	Type     reflect.Type
	Struct   *Schema  // of a struct or of the entries of a list of structs, else nil
	Key      bool     // it tells the entries of a list apart
	Secret   bool     // errors must not repeat its value
	Object   bool     // its text is a JSON object
	Words    []string // the allowed words, if only some are

	index    []int
	min, max *float64 // limits of a number or a length
	entries  int
	pattern  *regexp.Regexp
}

// Kinds of values.
const (
	Text   = "text"
	Bool   = "true or false"
	Whole  = "whole number"
	Number = "number"
	Length = "duration"
	List   = "list"
	Secret = "secret"
	Ref    = "reference"
	Struct = "struct"
)

// Of returns the schema of a struct. It contains the fields with the tag, which holds their
// name; the fields of an embedded struct without the tag count as the outer one's. It
// panics on an invalid tag or type, because that is a bug.
func Of(t reflect.Type, tag string) *Schema {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("schema: want a struct, got %v", t))
	}
	s := &Schema{Type: t}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, tagged := sf.Tag.Lookup(tag)
		switch {
		case tagged:
			f := describe(name, sf.Type, sf.Tag, tag)
			f.index = sf.Index
			s.Fields = append(s.Fields, f)
		case sf.Anonymous && sf.Type.Kind() == reflect.Struct:
			for _, f := range Of(sf.Type, tag).Fields {
				f.index = append([]int{i}, f.index...)
				s.Fields = append(s.Fields, f)
			}
		}
	}
	return s
}

// One describes a value outside of a struct.
func One(name string, t reflect.Type, tags reflect.StructTag) Field {
	return describe(name, t, tags, "")
}

func describe(name string, t reflect.Type, tags reflect.StructTag, tag string) Field {
	set := func(key string) bool { return tags.Get(key) != "" }
	f := Field{
		Name: name, Doc: tags.Get("doc"), Default: tags.Get("default"), Required: set("required"), Kind: kindOf(t),
		Want: tags.Get("want"), Type: t, Key: set("key"), Object: set("object"),
		Secret: set("secret") || t == reflect.TypeFor[secret.String]() || t == reflect.TypeFor[secret.Ref](),
	}
	switch {
	case f.Kind == Struct:
		f.Struct = Of(t, tag)
	case f.Kind == List && kindOf(t.Elem()) == Struct:
		f.Struct = Of(t.Elem(), tag)
	case f.Kind == "" || f.Kind == List && kindOf(t.Elem()) != Text:
		panic(fmt.Sprintf("schema: %s: a field of type %v can't be read", name, t))
	}
	f.min, f.max = f.bound(tags.Get("min")), f.bound(tags.Get("max"))
	if text := tags.Get("entries"); text != "" {
		f.entries = int(*f.bound(text))
	}
	pattern := tags.Get("pattern")
	if words := tags.Get("enum"); words != "" {
		pattern = "^(" + strings.ReplaceAll(words, ",", "|") + ")$"
		f.Words = strings.Split(words, ",")
		f.Want = Or(f.Words)
	}
	if pattern != "" {
		f.pattern = regexp.MustCompile(pattern)
	}
	if f.Want == "" {
		f.Want = f.words(tags.Get("min"), tags.Get("max"))
	}
	return f
}

// Or joins items as "a, b or c".
func Or(items []string) string {
	last := len(items) - 1
	if last < 1 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:last], ", ") + " or " + items[last]
}

// kindOf returns how values of a type are written; "" if the type isn't supported.
func kindOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return Length
	case reflect.TypeFor[secret.String]():
		return Secret
	case reflect.TypeFor[secret.Ref]():
		return Ref
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return Text
	}
	switch t.Kind() {
	case reflect.String:
		return Text
	case reflect.Bool:
		return Bool
	case reflect.Int, reflect.Int64:
		return Whole
	case reflect.Float32, reflect.Float64:
		return Number
	case reflect.Slice:
		return List
	case reflect.Struct:
		return Struct
	default:
		return ""
	}
}

// bound parses a limit.
func (f *Field) bound(text string) *float64 {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if d, isLength := time.ParseDuration(text); f.Kind == Length {
		n, err = float64(d), isLength
	}
	if err != nil {
		panic(fmt.Sprintf("schema: %s: %q is no bound: %v", f.Name, text, err))
	}
	return &n
}

// words describes the allowed values if no tag does.
func (f *Field) words(low, high string) string {
	within := func(low, high string) string {
		switch {
		case low != "" && high != "":
			return low + " to " + high
		case low != "":
			return low + " or more"
		case high != "":
			return "up to " + high
		}
		return ""
	}
	of := func(what, example string) string {
		switch text := within(low, high); {
		case text == "":
			return "a " + what + example
		case low != "" && high != "":
			return "a " + what + " from " + text + example
		default:
			return "a " + what + ", " + text + example
		}
	}
	entries := "a list"
	if f.entries > 0 {
		entries = "a list of up to " + strconv.Itoa(f.entries)
	}
	length := "a text"
	if text := within(low, high); text != "" {
		length = text + " characters"
	}
	switch f.Kind {
	case List:
		switch {
		case f.Struct != nil:
			return entries + " entries"
		case f.entries > 0:
			return entries + " texts of " + length + ", each once"
		}
		return "texts separated by commas"
	case Struct:
		return "a mapping of fields"
	case Bool:
		return Bool
	case Whole, Number:
		return of(f.Kind, "")
	case Length:
		return of(f.Kind, ", such as 1m30s")
	case Ref:
		return "env:NAME for an environment variable or file:PATH for a file, never the secret itself"
	}
	return length
}

// Field returns the field with a name.
func (s *Schema) Field(name string) (Field, bool) {
	for _, f := range s.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Names returns the fields' names, in order.
func (s *Schema) Names() []string {
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names
}

// In returns the field's value in a struct of the schema's type.
func (f Field) In(v reflect.Value) reflect.Value { return v.FieldByIndex(f.index) }

// New returns a struct with the fields' defaults.
func (s *Schema) New() reflect.Value {
	v := reflect.New(s.Type).Elem()
	for _, f := range s.Fields {
		switch {
		case f.Kind == Struct:
			f.In(v).Set(f.Struct.New())
		case f.Default != "":
			f.In(v).Set(f.MustParse(f.Default))
		}
	}
	return v
}
