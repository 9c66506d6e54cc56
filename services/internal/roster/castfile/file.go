// Package castfile reads and writes casts as YAML. Reading is strict and finds
// everything that is wrong at once, each with its line and column. A file holds
// references to tokens, never tokens.
package castfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/roster"
)

// File is a cast with the places where its fields stand.
type File struct {
	Name string
	Cast roster.Cast // normalised and valid

	places places
}

// Error is one thing that is wrong with a file. It is one line long.
type Error struct {
	File         string
	Line, Column int // from 1; 0 where the whole file is meant
	roster.Problem
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem.Error()
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Problem)
}

// Unwrap gives the problem alone.
func (e *Error) Unwrap() error { return e.Problem }

// largest is how long a file may be, in bytes. It is enough for ten thousand
// personas, and keeps a wrong file (a dump, a video) out of memory.
const largest = 16 << 20

// Load reads the file at a path; "-" is the standard input.
func Load(path string) (*File, error) {
	if path == "-" {
		return read("<stdin>", os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the cast: %w", err)
	}
	defer func() { _ = f.Close() }()
	return read(path, f)
}

func read(name string, r io.Reader) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err != nil {
		return nil, fmt.Errorf("read the cast: %w", err)
	}
	return Parse(name, data)
}

// Parse reads a cast. The name is for errors. What is wrong with the content
// comes as *Error, all of them joined.
func Parse(name string, data []byte) (*File, error) {
	root, err := parseYAML(name, data)
	if err != nil {
		return nil, err
	}
	d := decoder{places: places{}}
	file := &File{Name: name, places: d.places}
	schema := roster.Describe()
	value := reflect.ValueOf(&file.Cast).Elem()
	d.structure(root, value, schema, "")
	file.Cast.Normalise()
	problems := d.problems
	if invalid, ok := errors.AsType[roster.Problems](file.Cast.Validate()); ok {
		problems = append(problems, d.unreported(invalid)...)
	}
	if len(problems) > 0 {
		return nil, file.errors(problems)
	}
	return file, nil
}

// Problem makes an error of something that is wrong with a field of this file.
func (f *File) Problem(path, value, want string) error {
	return f.at(roster.Problem{Path: path, Value: value, Want: want})
}

func (f *File) errors(problems roster.Problems) error {
	errs := make([]*Error, len(problems))
	for i, p := range problems {
		errs[i] = f.at(p)
	}
	return inOrder(errs)
}

func (f *File) at(p roster.Problem) *Error {
	place := f.places.of(p.Path)
	return &Error{File: f.Name, Line: place.line, Column: place.column, Problem: p}
}

// place is where something stands in a file.
type place struct{ line, column int }

// places knows where the fields stand, by path.
type places map[string]place

// of finds a field, or what it would be part of.
func (p places) of(path string) place {
	for {
		if found, ok := p[path]; ok {
			return found
		}
		if path == "" {
			return place{}
		}
		path = path[:max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['), 0)]
	}
}
