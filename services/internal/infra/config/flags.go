package config

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
)

const (
	fileFlag = "config"
	fileEnv  = envPrefix + "CONFIG"
)

// Bind defines the flags of the named sections, or of all if none is named, and --config
// for the file. The flags accept any text: Load reports all invalid values at once.
// Sections without flags can still be set from other sources.
func (t *Tree) Bind(flags *pflag.FlagSet, sections ...string) {
	if flags.Lookup(fileFlag) == nil {
		flags.String(fileFlag, "", fmt.Sprintf("YAML file with the configuration (%s)", fileEnv))
	}
	for _, f := range t.fields {
		if name := f.flag(); name != "" && (len(sections) == 0 || slices.Contains(sections, f.section)) {
			flag := flags.VarPF(&flagValue{shown: f.shown(f.value), kind: f.Kind}, name, "", fmt.Sprintf("%s (%s)", f.Doc, f.env()))
			if f.Kind == schema.Bool {
				flag.NoOptDefVal = "true" // allows --sender.typing without a value
			}
		}
	}
}

// flagValue stores the text of a flag.
type flagValue struct {
	kind  string
	shown string
	given string
}

var _ pflag.Value = (*flagValue)(nil)

func (v *flagValue) String() string { return v.shown }

// Set stores the last text. For a list, it appends each text.
func (v *flagValue) Set(s string) error {
	if v.kind == schema.List && v.given != "" {
		s = v.given + "," + s
	}
	v.given = s
	return nil
}

// Type returns the placeholder for the value in the help text. A bool has none.
func (v *flagValue) Type() string {
	switch v.kind {
	case schema.Bool:
		return "bool"
	case schema.Whole:
		return "int"
	case schema.Text:
		return "string"
	}
	return v.kind
}

func (t *Tree) fromFlags(p *problems, flags *pflag.FlagSet) {
	if flags == nil {
		return
	}
	for _, f := range t.fields {
		if flag := flags.Lookup(f.flag()); flag != nil && flag.Changed {
			if v, ours := flag.Value.(*flagValue); ours {
				p.set(f, v.given, "--"+f.flag())
			}
		}
	}
}

// fileName returns the configuration file named by the flag, or else by the environment.
func fileName(flags *pflag.FlagSet, environ []string) string {
	if flags != nil {
		if flag := flags.Lookup(fileFlag); flag != nil && flag.Changed {
			return flag.Value.String()
		}
	}
	return variables(environ)[fileEnv]
}
