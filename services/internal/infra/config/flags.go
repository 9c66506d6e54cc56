package config

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"
)

const (
	fileFlag = "config"
	fileEnv  = envPrefix + "CONFIG"
)

// Bind defines the flags of the named sections, or of all if none is named, and
// --config for the file. The flags take any text: Load reports all that can't be
// read at once. Sections without flags can still be set in other ways.
func (t *Tree) Bind(flags *pflag.FlagSet, sections ...string) {
	if flags.Lookup(fileFlag) == nil {
		flags.String(fileFlag, "", fmt.Sprintf("YAML file with the configuration (%s)", fileEnv))
	}
	for _, f := range t.fields {
		if name := f.flag(); name != "" && (len(sections) == 0 || slices.Contains(sections, f.section)) {
			k, _ := kindOf(f.value.Type())
			flag := flags.VarPF(&flagValue{shown: f.shown(), kind: k.name}, name, "", fmt.Sprintf("%s (%s)", f.doc, f.env()))
			if k.name == kindBool {
				flag.NoOptDefVal = "true" // so that --sender.typing is enough
			}
		}
	}
}

// flagValue keeps what was written.
type flagValue struct {
	kind  string
	shown string
	given string
}

var _ pflag.Value = (*flagValue)(nil)

func (v *flagValue) String() string { return v.shown }

// Set takes the last text that is given; of a list each adds to it.
func (v *flagValue) Set(s string) error {
	if v.kind == kindList && v.given != "" {
		s = v.given + "," + s
	}
	v.given = s
	return nil
}

// Type is what stands after the flag in its help text, one word. After a bool
// nothing stands.
func (v *flagValue) Type() string {
	switch v.kind {
	case kindBool:
		return "bool"
	case kindWhole:
		return "int"
	case kindText:
		return "string"
	}
	return v.kind
}

func (t *Tree) fromFlags(p *problems, flags *pflag.FlagSet) layer {
	l := layer{}
	if flags == nil {
		return l
	}
	for _, f := range t.fields {
		flag := flags.Lookup(f.flag())
		if flag == nil || !flag.Changed {
			continue
		}
		if v, ours := flag.Value.(*flagValue); ours {
			if r := (raw{Text: v.given, Origin: "--" + f.flag()}); p.check(f, r) {
				l[f.path] = r
			}
		}
	}
	return l
}

// fileName is the file that the flag, or else the environment, names.
func fileName(flags *pflag.FlagSet, environ []string) string {
	if flags != nil {
		if flag := flags.Lookup(fileFlag); flag != nil && flag.Changed {
			return flag.Value.String()
		}
	}
	for _, v := range variables(environ) {
		if v.name == fileEnv {
			return v.value
		}
	}
	return ""
}
