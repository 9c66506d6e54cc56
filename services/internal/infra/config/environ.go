package config

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

type variable struct{ name, value string }

// variables are Chorus' own in an environment, by name. An empty one counts as
// not set, because compose files pass on variables that have no value as empty
// ones. Of a repeated one the last counts, as in package os/exec.
func variables(environ []string) []variable {
	last := map[string]variable{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && value != "" {
			last[name] = variable{name, value}
		}
	}
	return slices.SortedFunc(maps.Values(last), func(a, b variable) int { return cmp.Compare(a.name, b.name) })
}

// Kubernetes tells every container where the services of its namespace are: a
// service called chorus-console gives CHORUS_CONSOLE_SERVICE_HOST and more.
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/
const serviceLink = `(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)$`

func (t *Tree) fromEnv(p *problems, environ []string) layer {
	l := layer{}
	foreign := regexp.MustCompile(serviceLink)
	for _, v := range variables(environ) {
		f := t.byEnv[v.name]
		switch {
		case v.name == fileEnv:
		case f != nil:
			t.take(p, l, f, raw{Text: v.value, Origin: v.name})
		case t.kept(v.name) != nil:
			if text, ok := p.read(v); ok {
				t.take(p, l, t.kept(v.name), raw{Text: text, Origin: v.name})
			}
		case !foreign.MatchString(v.name):
			p.addf("%s: there is no such setting%s", v.name, Suggest(v.name, slices.Sorted(maps.Keys(t.byEnv))))
		}
	}
	return l
}

// take puts a value into the layer, unless it can't be read or is there already.
func (*Tree) take(p *problems, l layer, f *field, r raw) {
	if other, twice := l[f.path]; twice {
		p.addf("%s: %s is set, too: want one of them", r.Origin, other.Origin)
		return
	}
	if p.check(f, r) {
		l[f.path] = r
	}
}

// inFile ends the names of variables that name a file with the value, as those
// of Docker's images do. Values that are hidden may be kept so.
const inFile = "_FILE"

// kept is the hidden field whose value is in the file that the variable names;
// nil if the variable is of another kind.
func (t *Tree) kept(name string) *field {
	short, found := strings.CutSuffix(name, inFile)
	if f := t.byEnv[short]; found && f != nil && f.hidden {
		return f
	}
	return nil
}

func (p *problems) read(v variable) (string, bool) {
	text, err := secret.Resolve(secret.Ref{File: v.value})
	if err != nil {
		p.addf("%s: %v", v.name, err)
		return "", false
	}
	return text.Reveal(), true
}
