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

// Error is all that is wrong with a configuration. No line repeats a secret.
type Error struct {
	// Lines has one line for each mistake: where it was made, the key, the value
	// and what is allowed.
	Lines []string
}

// Error is the lines.
func (e *Error) Error() string { return strings.Join(e.Lines, "\n") }

// ExitCode is 2, as for any mistake in how a program was called.
func (e *Error) ExitCode() int { return 2 }

// problems collects mistakes.
type problems struct {
	lines []string
	// file is the name of the configuration's file.
	file string
	// unusable has the paths of fields whose values could not be read.
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
	// The file from its top to its end, then the rest as it was found.
	slices.SortStableFunc(p.lines, func(a, b string) int { return cmp.Compare(p.place(a), p.place(b)) })
	return &Error{Lines: p.lines}
}

// place is the number of the file's line that a mistake is in, or what comes after all
// of them.
func (p *problems) place(mistake string) int {
	rest, inFile := strings.CutPrefix(mistake, p.file+":")
	number, _, _ := strings.Cut(rest, ":")
	if line, err := strconv.Atoi(number); inFile && err == nil {
		return line
	}
	return math.MaxInt
}

// Load fills the structs. Flags are those that Bind made, after they were parsed;
// nil stands for none. The environment is os.Environ's. The paths of required
// fields, such as nats.url, must not be empty in the end.
//
// All mistakes are reported at once as an *Error: unknown keys in the file,
// unknown variables that begin with CHORUS_, values that can't be read, and what
// the tags and the sections' own Validate don't allow. After an error the structs
// hold what was usable. A second Load begins with the defaults again.
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

// set gives a field the value that a text stands for.
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

// cause leaves out the file's name, with which the line begins anyway.
func cause(err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return fmt.Errorf("can't be read: %w", path.Err)
	}
	return fmt.Errorf("can't be read: %w", err)
}

// variables are Chorus' own in an environment. An empty one counts as not set,
// because compose files pass on variables that have no value as empty ones. Of a
// repeated one the last counts, as in package os/exec.
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

// Kubernetes tells every container where the services of its namespace are: a
// service called chorus-console gives CHORUS_CONSOLE_SERVICE_HOST and more.
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/
const serviceLink = `(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)$`

// inFile ends the names of variables that name a file with the value, as those
// of Docker's images do. Values that are hidden may be kept so.
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

// validate asks the tags and the sections. What is said about a value that could not
// be read is left out, because it is about the default in its place.
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

// clean takes the value of a hidden field out of a text.
func (f *field) clean(text string) string {
	if value := f.revealed(); f.hidden() && value != "" {
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
