package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/spf13/pflag"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry/redact"
)

// Error lists all mistakes in a configuration. No line contains a secret.
type Error struct {
	// Lines has one line for each mistake: where it was made, the key, the value
	// and what is allowed.
	Lines []string
}

// Error returns the lines.
func (e *Error) Error() string { return strings.Join(e.Lines, "\n") }

// ExitCode returns 2, the code for wrong use of a program.
func (e *Error) ExitCode() int { return 2 }

// problems collects mistakes.
type problems struct {
	lines []string
	// file is the name of the configuration's file.
	file string
	// unusable holds the paths of fields whose values can't be parsed.
	unusable map[string]bool
}

func (p *problems) addf(format string, args ...any) {
	line := redact.New().String(fmt.Sprintf(format, args...))
	p.lines = append(p.lines, strings.ReplaceAll(line, "\n", " "))
}

func (p *problems) err() error {
	if len(p.lines) == 0 {
		return nil
	}
	// Mistakes in the file come first, by line, then the others as they were found.
	slices.SortStableFunc(p.lines, func(a, b string) int { return cmp.Compare(p.place(a), p.place(b)) })
	return &Error{Lines: p.lines}
}

// place returns the number of the file's line that a mistake is in, or a number after all
// lines.
func (p *problems) place(mistake string) int {
	rest, inFile := strings.CutPrefix(mistake, p.file+":")
	number, _, _ := strings.Cut(rest, ":")
	if line, err := strconv.Atoi(number); inFile && err == nil {
		return line
	}
	return math.MaxInt
}

// Load fills the structs. flags are those of Bind, parsed; nil for none. environ has the
// form of os.Environ. The required fields, by path such as nats.url, must not be empty at
// the end.
//
// All mistakes are reported at once as an *Error: unknown keys in the file, unknown
// variables that begin with CHORUS_, values that can't be parsed, and what the tags and the
// sections' own Validate don't allow. After an error the structs hold the usable values. A
// second Load begins with the defaults again.
func (t *Tree) Load(flags *pflag.FlagSet, environ []string, required ...string) error {
	p := &problems{unusable: map[string]bool{}}
	for _, f := range t.fields {
		f.value.Set(f.initial)
		f.origin = originDefault
	}
	t.fromFile(p, fileName(flags, environ))
	t.fromEnv(p, environ)
	t.fromFlags(p, flags)
	t.validate(p, required)
	return p.err()
}

// set parses a text and stores it in a field.
func (p *problems) set(f *field, text, origin string) {
	v, err := f.Parse(text)
	switch {
	case err == nil:
		f.value.Set(v)
		f.origin = origin
		return
	case f.Secret:
		text = mask
	default:
		text = schema.Quote(text)
	}
	p.unusable[f.path] = true
	p.addf("%s: %v", origin, schema.Problem{Path: f.path, Value: text, Want: f.Want})
}

func (t *Tree) fromFile(p *problems, name string) {
	if name == "" {
		return
	}
	p.file = name
	text, err := readFile(name)
	if err != nil {
		p.addf("%s: %v", name, err)
		return
	}
	var r schema.Reader
	if root := r.Parse(text); root != nil {
		names := make([]string, len(t.sections))
		for i, s := range t.sections {
			names[i] = s.Name
		}
		r.Mapping(root, "", names, func(name, at string, n ast.Node) {
			i := slices.Index(names, name)
			r.Struct(n, t.values[i], t.schemas[i], at)
		})
	}
	for _, problem := range r.Problems {
		p.unusable[problem.Path] = true
		p.addf("%s%v: %v", name, r.At(problem.Path), problem)
	}
	for _, f := range t.fields {
		if r.Given[f.path] {
			f.origin = fmt.Sprintf("%s:%d", name, r.At(f.path).Line)
		}
	}
}

// maxFile is far above any configuration, in bytes.
const maxFile = 1 << 20

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(text) > maxFile {
		return nil, errors.New("is over 1 MiB, too long for a configuration")
	}
	return text, nil
}

// cause removes the file's name, because the line begins with it anyway.
func cause(err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return fmt.Errorf("can't be read: %w", path.Err)
	}
	return fmt.Errorf("can't be read: %w", err)
}

// variables returns Chorus' variables from an environment. An empty one counts as unset,
// because compose files pass on unset variables as empty ones. Of a repeated one the last
// counts, as in package os/exec.
func variables(environ []string) map[string]string {
	last := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && value != "" {
			last[name] = value
		}
	}
	return last
}

// Kubernetes sets variables for all services of the container's namespace: a service called
// chorus-console causes CHORUS_CONSOLE_SERVICE_HOST and more.
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/
const serviceLink = `(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)$`

// inFile is the suffix of variables that name a file with the value, as in Docker's images.
// Only hidden values may be set this way.
const inFile = "_FILE"

func (t *Tree) fromEnv(p *problems, environ []string) {
	foreign := regexp.MustCompile(serviceLink)
	values := variables(environ)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		short, isFile := strings.CutSuffix(name, inFile)
		switch f, kept := t.byEnv[name], t.byEnv[short]; {
		case name == fileEnv:
		case f != nil:
			p.set(f, values[name], name)
		case isFile && kept != nil && kept.hidden():
			if values[short] != "" {
				p.addf("%s: %s is set, too: want one of them", name, short)
				continue
			}
			text, err := secret.Resolve(secret.Ref{File: values[name]})
			if err != nil {
				p.addf("%s: %v", name, err)
				continue
			}
			p.set(kept, text.Reveal(), name)
		case !foreign.MatchString(name):
			p.addf("%s: there is no such setting%s", name, schema.Suggest(name, slices.Sorted(maps.Keys(t.byEnv))))
		}
	}
}

// validate checks the tags and runs the sections' Validate. It ignores complaints about
// values that couldn't be parsed, because these concern the default.
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
		if v, ok := s.Value.(interface{ Validate() error }); ok {
			for _, err := range flatten(v.Validate()) {
				t.report(p, s.Name, err)
			}
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

// clean masks a hidden field's value in a text.
func (f *field) clean(text string) string {
	if value := f.revealed(); f.hidden() && value != "" {
		return strings.ReplaceAll(text, value, mask)
	}
	return text
}

// flatten returns the single errors of a joined error.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	// Not errors.As: an error that wraps joined errors is one mistake.
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
	// An error that wraps several with %w has its own text and is one mistake.
	if err.Error() != strings.Join(lines, "\n") {
		return []error{err}
	}
	return all
}
