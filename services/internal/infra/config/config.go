// Package config fills the configuration structs of Chorus' parts from four sources: the
// structs' defaults, a YAML file, the environment and flags. Later sources override earlier
// ones.
//
// A field is configurable if it has the tag `config:"key"`; package schema defines the tags
// that describe it. The field ShortWait with the key short_wait in the section sender is
//
//	sender:
//	  short_wait: 5s                  in the file,
//	CHORUS_SENDER_SHORT_WAIT=5s       in the environment, and
//	--sender.short-wait=5s            as a flag.
//
// Fields are of type string, bool, int, int64, float64, time.Duration, []string
// (separated by commas in the environment and in flags), secret.String or
// secret.Ref (env:NAME or file:PATH), or structs of such fields; those of an
// embedded struct without a tag are the outer one's own. A secret.String
// has no flag: everyone on a machine can read the arguments of its processes. What
// is hidden may also stand in a file that CHORUS_DATABASE_URL_FILE and the like
// name.
package config

import (
	"fmt"
	"reflect"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
)

// Section is the configuration of one part of Chorus.
type Section struct {
	// Name is the section's name in the file: lower-case words with underscores.
	Name string
	// Value points to a struct that holds the defaults. If it has the method
	// Validate() error, Load calls it. The errors that it joins begin with the
	// key that they are about and a colon.
	Value any
}

// Tree is the configuration of a process, made of sections. It is not safe for concurrent
// use.
type Tree struct {
	sections []Section
	schemas  []*schema.Schema // of the sections, in order
	values   []reflect.Value  // their structs
	fields   []*field
	byPath   map[string]*field
	byEnv    map[string]*field
}

// New returns a tree. It panics if a section is invalid, because that is a bug: Value is no
// pointer to a struct, a field has an unsupported type, or two fields have the same name.
func New(sections ...Section) *Tree {
	t := &Tree{sections: sections, byPath: map[string]*field{}, byEnv: map[string]*field{}}
	for _, s := range sections {
		v := reflect.ValueOf(s.Value)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			panic(fmt.Sprintf("config: section %s: want a pointer to a struct, got %T", s.Name, s.Value))
		}
		described := schema.Of(v.Elem().Type(), tag)
		t.schemas, t.values = append(t.schemas, described), append(t.values, v.Elem())
		t.fields = append(t.fields, collect(s.Name, s.Name, described, v.Elem())...)
	}
	for _, f := range t.fields {
		if other, taken := t.byEnv[f.env()]; taken || f.env() == fileEnv {
			panic(fmt.Sprintf("config: %s and %v have the same name in the environment", f.path, other))
		}
		t.byPath[f.path], t.byEnv[f.env()] = f, f
	}
	return t
}

const tag = "config"

// Check returns the errors of all values of a section that its tags don't allow, in the
// form that Section.Value's Validate returns.
func Check(section any) error { return schema.Check(section, tag) }

// Origin returns where the value of a field came from in the last Load, such as
// "chorus.yaml:3", "CHORUS_NATS_URL", "--nats.url" or "default". The path is the section
// and the key, such as nats.url. For an unknown path it returns "".
func (t *Tree) Origin(path string) string {
	if f := t.byPath[path]; f != nil {
		return f.origin
	}
	return ""
}
