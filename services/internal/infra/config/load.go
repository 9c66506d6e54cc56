package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// separator stands between section and key.
const separator = "."

// layer is what one of the places says, by path.
type layer map[string]raw

var _ koanf.Provider = layer{}

// Read gives the layer to koanf.
func (l layer) Read() (map[string]any, error) {
	flat := make(map[string]any, len(l))
	for path, r := range l {
		flat[path] = r
	}
	return maps.Unflatten(flat, separator), nil
}

// ReadBytes is never called: koanf needs it for parsers only.
func (layer) ReadBytes() ([]byte, error) { return nil, errors.ErrUnsupported }

// Load fills the structs. Flags are those that Bind made, after they were parsed;
// nil stands for none. The environment is os.Environ's. The paths of required
// fields, such as nats.url, must not be empty in the end.
//
// All mistakes are reported at once as an *Error: unknown keys in the file,
// unknown variables that begin with CHORUS_, values that can't be read, and what
// the sections' own Validate finds. After an error the structs hold what was
// usable. A second Load begins with the defaults again.
func (t *Tree) Load(flags *pflag.FlagSet, environ []string, required ...string) error {
	p := &problems{unusable: map[string]bool{}}
	merged := koanf.New(separator)
	for _, l := range []layer{t.fromFile(p, fileName(flags, environ)), t.fromEnv(p, environ), t.fromFlags(p, flags)} {
		if err := merged.Load(l, nil); err != nil {
			return fmt.Errorf("merge the configuration: %w", err)
		}
	}
	for _, f := range t.fields {
		f.value.Set(f.initial)
		f.origin = originDefault
		if r, given := merged.Get(f.path).(raw); given {
			k, _ := kindOf(f.value.Type())
			v, err := k.parse(r)
			if err != nil {
				return fmt.Errorf("%s: %w", f.path, err)
			}
			f.value.Set(reflect.ValueOf(v))
			f.origin = r.Origin
		}
	}
	t.validate(p, required)
	return p.err()
}

// validate asks the sections. What is said about a value that could not be read
// is left out, because it is about the default in its place.
func (t *Tree) validate(p *problems, required []string) {
	for _, path := range required {
		f := t.byPath[path]
		if f == nil {
			panic("config: there is no field " + path + " that could be required")
		}
		if f.value.IsZero() && !p.unusable[path] {
			p.unusable[path] = true
			p.addf("%s: is empty, %s", path, f.ways())
		}
	}
	for _, s := range t.sections {
		v, ok := s.Value.(interface{ Validate() error })
		if !ok {
			continue
		}
		for _, err := range flatten(v.Validate()) {
			t.report(p, s.Name, err)
		}
	}
}

func (t *Tree) report(p *problems, section string, err error) {
	key, what, _ := strings.Cut(err.Error(), ": ")
	f := t.byPath[section+separator+key]
	switch {
	case f == nil:
		p.addf("%s: %s", section, err)
	case p.unusable[f.path]:
	case f.origin == originDefault:
		p.addf("%s: %s (%s)", f.path, f.clean(what), f.ways())
	default:
		p.addf("%s: %s: %s", f.origin, f.path, f.clean(what))
	}
}

// clean takes the value of a hidden field out of a text.
func (f *field) clean(text string) string {
	if value := f.revealed(); f.hidden && value != "" {
		return strings.ReplaceAll(text, value, mask)
	}
	return text
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	// Not errors.As: an error around joined ones is one mistake.
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	var lines []string
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
		lines = append(lines, e.Error())
	}
	// An error that wraps several with %w has a text of its own.
	if err.Error() != strings.Join(lines, "\n") {
		return []error{err}
	}
	return all
}
