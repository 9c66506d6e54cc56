package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

const (
	envPrefix     = "CHORUS_"
	originDefault = "default"
)

// field is one key of a section.
type field struct {
	section string
	// path is the section and the key: sender.short_wait.
	path   string
	doc    string
	hidden bool
	// object says that the text is a JSON object.
	object bool
	// value is the field of the struct, and initial what New found in it.
	value   reflect.Value
	initial reflect.Value
	origin  string
}

func (f *field) String() string { return f.path }

func (f *field) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.path, ".", "_"))
}

// flag is the name of the flag without its dashes, "" if there is none.
func (f *field) flag() string {
	if f.value.Type() == reflect.TypeFor[secret.String]() {
		return ""
	}
	return strings.ReplaceAll(f.path, "_", "-")
}

// ways tells how the field can be set.
func (f *field) ways() string {
	if f.flag() == "" {
		return fmt.Sprintf("set %s, or %s in the configuration file", f.env(), f.path)
	}
	return fmt.Sprintf("set --%s, %s, or %s in the configuration file", f.flag(), f.env(), f.path)
}

func fieldsOf(s Section) []*field {
	v := reflect.ValueOf(s.Value)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: section %s: want a pointer to a struct, got %T", s.Name, s.Value))
	}
	return collect(s.Name, s.Name, v.Elem())
}

func collect(section, prefix string, v reflect.Value) []*field {
	var fields []*field
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		key, tagged := tag.Lookup("config")
		if !tagged {
			if v.Type().Field(i).Anonymous && v.Field(i).Kind() == reflect.Struct { // its fields are those of the whole
				fields = append(fields, collect(section, prefix, v.Field(i))...)
			}
			continue
		}
		path := prefix + "." + key
		switch at := v.Field(i); {
		case known(at.Type()):
			initial := reflect.New(at.Type()).Elem()
			initial.Set(at)
			fields = append(fields, &field{
				section: section, path: path, doc: tag.Get("doc"), value: at, initial: initial, origin: originDefault,
				object: tag.Get("object") == "true",
				hidden: tag.Get("secret") == "true" || at.Type() == reflect.TypeFor[secret.String](),
			})
		case at.Kind() == reflect.Struct:
			fields = append(fields, collect(section, path, at)...)
		default:
			panic(fmt.Sprintf("config: %s: a field of type %s can't be configured", path, at.Type()))
		}
	}
	return fields
}
