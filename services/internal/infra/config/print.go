package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Print writes the values in effect as YAML, each with where it came from as a
// comment. Passwords in URLs and secrets are masked.
func (t *Tree) Print(w io.Writer) error {
	var out strings.Builder
	var open []string
	for _, f := range t.fields {
		keys := strings.Split(f.path, separator)
		parents := keys[:len(keys)-1]
		for depth, key := range parents {
			if depth >= len(open) || open[depth] != key {
				fmt.Fprintf(&out, "%s%s:\n", indent(depth), key)
				open = append(open[:min(depth, len(open))], key)
			}
		}
		open = open[:len(parents)]
		fmt.Fprintf(&out, "%s%s: %s # %s\n", indent(len(parents)), keys[len(keys)-1], f.yaml(), f.origin)
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	return nil
}

// Write writes the sections' values that aren't the default as YAML that Load reads,
// secrets and passwords with them: what it writes to must be private.
func (t *Tree) Write(w io.Writer, sections ...string) error {
	values := map[string]any{}
	for _, f := range t.fields {
		if !slices.Contains(sections, f.section) || reflect.DeepEqual(f.value.Interface(), f.initial.Interface()) {
			continue
		}
		keys := strings.Split(f.path, separator)
		last := len(keys) - 1
		into := values
		for _, key := range keys[:last] {
			below, _ := into[key].(map[string]any)
			if below == nil {
				below = map[string]any{}
				into[key] = below
			}
			into = below
		}
		into[keys[last]] = f.plain()
	}
	text, err := yaml.Marshal(values)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// plain is the value as YAML has it.
func (f *field) plain() any {
	switch v := f.value.Interface().(type) {
	case bool, int, int64, float64, []string:
		return v
	default:
		return f.revealed()
	}
}

func indent(depth int) string { return strings.Repeat("  ", depth) }

// yaml is the value on one line, such that Load reads it again.
func (f *field) yaml() string {
	list, isList := reflect.TypeAssert[[]string](f.value)
	if !isList || f.hidden() {
		return quote(f.shown(f.value))
	}
	items := make([]string, 0, len(list))
	for _, item := range list {
		items = append(items, quote(item))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// quote puts quotation marks around a text unless it is surely one without
// them. What is a text in JSON is one in YAML.
func quote(s string) string {
	if regexp.MustCompile(`^[a-zA-Z0-9/-]([a-zA-Z0-9_./:@*+-]*[a-zA-Z0-9_/])?$`).MatchString(s) && s != "-" {
		return s
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a text can always be encoded, and written to memory
	return strings.TrimSpace(out.String())
}
