package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Print writes the current values as YAML, each with its origin in a comment. Passwords in
// URLs and secrets are masked.
func (t *Tree) Print(w io.Writer) error {
	return write(w, t.fields, func(f *field) string { return f.yaml() + " # " + f.origin })
}

// Write writes the values that differ from the defaults as YAML that Load reads, except
// those of some sections. It includes secrets and passwords, so w must be private.
func (t *Tree) Write(w io.Writer, except ...string) error {
	given := slices.DeleteFunc(slices.Clone(t.fields), func(f *field) bool {
		return slices.Contains(except, f.section) || reflect.DeepEqual(f.value.Interface(), f.initial.Interface())
	})
	return write(w, given, func(f *field) string {
		if list, isList := reflect.TypeAssert[[]string](f.value); isList {
			return inline(list)
		}
		return quote(f.revealed())
	})
}

// write writes fields as YAML, each with the text that of returns.
func write(w io.Writer, fields []*field, of func(*field) string) error {
	var out strings.Builder
	var open []string
	for _, f := range fields {
		keys := strings.Split(f.path, separator)
		parents := keys[:len(keys)-1]
		for depth, key := range parents {
			if depth >= len(open) || open[depth] != key {
				fmt.Fprintf(&out, "%s%s:\n", indent(depth), key)
				open = append(open[:min(depth, len(open))], key)
			}
		}
		open = open[:len(parents)]
		fmt.Fprintf(&out, "%s%s: %s\n", indent(len(parents)), keys[len(keys)-1], of(f))
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

func indent(depth int) string { return strings.Repeat("  ", depth) }

// yaml returns the value on one line, in a form that Load reads.
func (f *field) yaml() string {
	list, isList := reflect.TypeAssert[[]string](f.value)
	if !isList || f.hidden() {
		return quote(f.shown(f.value))
	}
	return inline(list)
}

func inline(list []string) string {
	items := make([]string, 0, len(list))
	for _, item := range list {
		items = append(items, quote(item))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// quote quotes a text unless it certainly needs no quotation marks. A JSON string is a YAML
// string.
func quote(s string) string {
	if regexp.MustCompile(`^[a-zA-Z0-9/-]([a-zA-Z0-9_./:@*+-]*[a-zA-Z0-9_/])?$`).MatchString(s) && s != "-" && !strings.EqualFold(s, "null") {
		return s
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string can always be encoded, and written to memory
	return strings.TrimSpace(out.String())
}

// Row describes one field.
type Row struct {
	// Section is its section's name.
	Section string
	// Key is its path in the file, such as sender.short_wait.
	Key string
	// Env is its environment variable.
	Env string
	// Flag is its flag with dashes; "" for none.
	Flag string
	// Allowed describes the allowed values.
	Allowed string
	// Default is its default without secrets; may be "".
	Default string
	// Doc describes its purpose.
	Doc string
}

// Table describes all fields, in their order.
func (t *Tree) Table() []Row {
	rows := make([]Row, 0, len(t.fields))
	for _, f := range t.fields {
		row := Row{Section: f.section, Key: f.path, Env: f.env(), Allowed: f.Want, Default: f.shown(f.initial), Doc: f.Doc}
		if f.flag() != "" {
			row.Flag = "--" + f.flag()
		}
		rows = append(rows, row)
	}
	return rows
}

// WriteTable writes rows as a table in Markdown.
func WriteTable(w io.Writer, rows []Row) error {
	var out strings.Builder
	out.WriteString("| key in the file | environment | flag | allowed | default | meaning |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s |\n",
			code(r.Key), code(r.Env), code(r.Flag), cell(r.Allowed), code(r.Default), cell(r.Doc))
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// code returns a text in code font; an empty one stays empty.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

// cell escapes characters that would end a table's cell.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) }
