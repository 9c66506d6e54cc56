package config

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
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
			if r := (raw{Text: v.value, Origin: v.name}); p.check(f, r) {
				l[f.path] = r
			}
		case !foreign.MatchString(v.name):
			p.addf("%s: there is no such setting%s", v.name, suggest(v.name, slices.Sorted(maps.Keys(t.byEnv))))
		}
	}
	return l
}
