package config

import (
	"fmt"
	"io"
	"strings"
)

// Row describes one field.
type Row struct {
	// Section is its section's name.
	Section string
	// Key is its section and key in the file, such as sender.short_wait.
	Key string
	// Env is its environment variable.
	Env string
	// Flag is its flag with the dashes, "" if it has none.
	Flag string
	// Allowed is what it may be, in words.
	Allowed string
	// Default is its default, without secrets; "" if that is empty.
	Default string
	// Doc says what it is for.
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

// code is a text in the font for code; an empty one stays empty.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

// cell keeps a text from ending its cell.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) }
