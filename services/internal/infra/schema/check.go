package schema

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry/redact"
	"github.com/chorus-cast/chorus/services/internal/names"
)

// Problem is one mistake in a value.
type Problem struct { //nolint:errname // it is a line of an error before it is one
	Path  string // the field's path, such as bots[2].persona.tone
	Value string // the given value, shortened
	Want  string // what is allowed; "" if Value says it
}

// Error returns one line. It contains no token.
func (p Problem) Error() string {
	line := p.Path + ": " + p.Value
	if p.Want != "" {
		line += ", want " + p.Want
	}
	return strings.ReplaceAll(redact.New().String(line), "\n", " ")
}

// Problems lists mistakes in order.
type Problems []Problem //nolint:errname // as above

func (p Problems) Error() string { return errors.Join(p.Unwrap()...).Error() }

// Unwrap returns the single problems.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, one := range p {
		errs[i] = one
	}
	return errs
}

// Add appends a problem.
func (p *Problems) Add(path, value, want string) {
	*p = append(*p, Problem{Path: path, Value: value, Want: want})
}

// Values of Problem.Value if nothing is given, or if the given value may be secret.
const (
	Missing = "missing"
	Hidden  = "***"
)

// maxShown limits how much of a value a problem repeats, in characters.
const maxShown = 60

// Quote returns a text on one line, shortened.
func Quote(text string) string { return strconv.Quote(names.Cut(text, maxShown)) }

// Suggest returns a question with the most similar name, or "" if none is similar.
func Suggest(name string, candidates []string) string {
	best, distance := "", 1+max(2, len(name)/4)
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(name, c); d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// Check returns a Problems with all values of a struct that the tags don't allow, or nil.
// tag is the tag with the fields' names.
func Check(v any, tag string) error {
	value := reflect.ValueOf(v)
	if problems := Of(value.Type(), tag).Check(value, ""); len(problems) > 0 {
		return problems
	}
	return nil
}

// Check returns the mistakes in a struct's fields.
func (s *Schema) Check(v reflect.Value, path string) Problems {
	var problems Problems
	for _, f := range s.Fields {
		problems = append(problems, f.Check(f.In(v), Join(path, f.Name))...)
	}
	return problems
}

// Check returns the mistakes in the value at a path.
func (f Field) Check(v reflect.Value, path string) Problems {
	var problems Problems
	switch f.Kind {
	case Struct:
		return f.Struct.Check(v, path)
	case List:
		if f.entries > 0 && v.Len() > f.entries {
			problems.Add(path, strconv.Itoa(v.Len())+" entries", f.Want)
		}
		seen := map[string]bool{}
		for i := range v.Len() {
			at := fmt.Sprintf("%s[%d]", path, i)
			if f.Struct != nil {
				problems = append(problems, f.Struct.Check(v.Index(i), at)...)
				continue
			}
			entry := Format(v.Index(i))
			wrong, want := f.text(entry)
			if wrong == "" && f.entries > 0 && seen[entry] {
				wrong, want = Quote(entry)+" stands twice", f.Want
			}
			seen[entry] = true
			add(&problems, at, wrong, want)
		}
	case Whole, Length, Number:
		add(&problems, path, f.number(v), f.Want)
	default:
		switch {
		case !v.IsZero() && f.Kind == Text:
			wrong, want := f.text(Format(v))
			add(&problems, path, wrong, want)
		case v.IsZero() && f.Required:
			add(&problems, path, Missing, f.Want)
		case v.IsZero() && f.Default != "":
			wrong, want := f.text("")
			add(&problems, path, wrong, want)
		}
	}
	return problems
}

// add appends a problem if wrong isn't empty.
func add(problems *Problems, path, wrong, want string) {
	if wrong != "" {
		problems.Add(path, wrong, want)
	}
}

const readable = "readable text: valid UTF-8 without control characters other than new lines and tabs, and without marks of direction"

// text returns a text as a problem shows it, or "" if it is allowed, and what is allowed.
func (f Field) text(s string) (wrong, want string) {
	n := float64(utf8.RuneCountInString(s))
	switch {
	case f.min == nil && f.max == nil && f.pattern == nil:
		return "", ""
	case !storable(s):
		return Quote(s), readable
	case f.min != nil && n < *f.min, f.max != nil && n > *f.max:
		return fmt.Sprintf("%s (%d characters)", Quote(s), int(n)), f.Want
	case f.pattern != nil && !f.pattern.MatchString(s):
		return Quote(s), f.Want
	}
	return "", ""
}

func (f Field) number(v reflect.Value) string {
	end := func(bound float64) float64 {
		if v.Kind() == reflect.Float32 { // 0.1 as a float32 is slightly more
			return float64(float32(bound))
		}
		return bound
	}
	var n float64
	if v.CanInt() {
		n = float64(v.Int())
	} else {
		n = v.Float()
	}
	// Written so that NaN is outside.
	if f.min != nil && !(n >= end(*f.min)) || f.max != nil && !(n <= end(*f.max)) {
		return Format(v)
	}
	return ""
}

// storable rejects what PostgreSQL can't store (NUL, invalid UTF-8) and what would garble a
// terminal or a chat: control characters, those that change the direction of the following
// text, and tags, which models read and people can't see.
func storable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' || r >= 0xE0000 && r < 0xE0100
	})
}

// Join returns the path of a struct's field. The name may be a user's text: it is quoted
// and shortened.
func Join(path, name string) string {
	quoted := Quote(name)
	if name = quoted[1 : len(quoted)-1]; path == "" {
		return name
	}
	return path + "." + name
}
