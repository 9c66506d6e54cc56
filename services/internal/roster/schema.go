package roster

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Schema describes a struct of the cast: its fields in order.
type Schema struct {
	Fields []Field
}

// Field describes one field of a cast by the tags of its struct.
type Field struct {
	Name     string // as files and errors write it
	Doc      string // what it is for
	Default  string // its value where none is given, as text
	Required bool   // it must be given
	Want     string // what is allowed, in words
	Type     reflect.Type
	Struct   *Schema // of a struct or of the entries of a list of structs, else nil

	index    int
	key      bool
	min, max float64 // a range of numbers or of lengths, if bounded
	bounded  bool
	most     int
	pattern  *regexp.Regexp
}

// Describe gives the schema of Cast.
func Describe() *Schema { return describe(reflect.TypeFor[Cast]()) }

// Field finds a field by its name.
func (s *Schema) Field(name string) (Field, bool) {
	for _, f := range s.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Of is the field in a struct that the schema describes.
func (f Field) Of(v reflect.Value) reflect.Value { return v.Field(f.index) }

// New makes a struct in which every field has its default.
func (s *Schema) New(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	for _, f := range s.Fields {
		field := f.Of(v)
		switch {
		case f.Type.Kind() == reflect.Struct && f.Struct != nil:
			field.Set(f.Struct.New(f.Type))
		case f.Default != "":
			field.Set(parse(f.Type, f.Default))
		}
	}
	return v
}

// describe panics on a tag that can't be read: that is a mistake in this
// package, which its first test finds.
func describe(t reflect.Type) *Schema {
	s := &Schema{}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, ok := sf.Tag.Lookup("cast")
		if !ok {
			continue
		}
		f := Field{Name: name, Doc: sf.Tag.Get("doc"), Want: sf.Tag.Get("want"), Type: sf.Type, index: i, key: sf.Tag.Get("key") != ""}
		value, optional := sf.Tag.Lookup("default")
		f.Default = value
		f.Required = !optional && (sf.Type.Kind() != reflect.Slice && sf.Type.Kind() != reflect.Struct || sf.Type == reflect.TypeFor[secret.Ref]())
		if elem := structOf(sf.Type); elem != nil {
			f.Struct = describe(elem)
		}
		f.restrict(sf.Tag)
		s.Fields = append(s.Fields, f)
	}
	return s
}

// structOf is the struct that a type is, or is a list of; nil if it is neither.
func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[secret.Ref]() {
		return nil
	}
	return t
}

func (f *Field) restrict(tag reflect.StructTag) {
	low, high := tag.Get("min"), tag.Get("max")
	if high != "" {
		f.bounded, f.max = true, number(f.Type, high)
		if low != "" {
			f.min = number(f.Type, low)
		}
	}
	if most := tag.Get("most"); most != "" {
		f.most = int(number(reflect.TypeFor[int](), most))
	}
	if pattern := tag.Get("pattern"); pattern != "" {
		f.pattern = regexp.MustCompile(pattern)
	}
	if f.Want == "" {
		f.Want = f.words(low, high)
	}
}

// words says what is allowed where no tag says it better.
func (f *Field) words(low, high string) string {
	length := "up to " + high + " characters"
	if low != "" {
		length = low + " to " + high + " characters"
	}
	switch {
	case f.Struct != nil && f.Type.Kind() == reflect.Slice:
		return "a list of up to " + strconv.Itoa(f.most) + " entries"
	case f.Struct != nil:
		return "a mapping of fields"
	case f.Type.Kind() == reflect.Slice:
		return "a list of up to " + strconv.Itoa(f.most) + " texts of " + length + ", each once"
	case f.Type.Kind() == reflect.String:
		return length
	case f.Type.Kind() == reflect.Bool:
		return "true or false"
	case f.Type.Kind() == reflect.Int:
		return "a whole number from " + low + " to " + high
	case f.Type == reflect.TypeFor[time.Duration]():
		return "a duration from " + low + " to " + high + ", such as 1m30s"
	}
	return "a number from " + low + " to " + high
}

func number(t reflect.Type, text string) float64 {
	if t == reflect.TypeFor[time.Duration]() {
		return float64(parse(t, text).Int())
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("tag %q: %v", text, err))
	}
	return n
}

// parse reads a default.
func parse(t reflect.Type, text string) reflect.Value {
	v := reflect.New(t).Elem()
	var err error
	switch {
	case t == reflect.TypeFor[time.Duration]():
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.SetInt(int64(d))
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
	case v.CanFloat():
		var n float64
		n, err = strconv.ParseFloat(text, t.Bits())
		v.SetFloat(n)
	case t.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		v.SetBool(b)
	default:
		v.SetString(text)
	}
	if err != nil {
		panic(fmt.Sprintf("tag %q: %v", text, err))
	}
	return v
}
