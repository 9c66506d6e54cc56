// Package castfile reads and writes casts as YAML. Reading is strict and reports all errors at
// once, each with its line and column. A file holds references to tokens, never tokens.
package castfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// File is a cast with the positions of its fields.
type File struct {
	Name string
	Cast roster.Cast // normalised and valid

	reader schema.Reader
}

// Error is one error in a file. It has one line.
type Error struct {
	File string
	schema.Place
	schema.Problem
}

func (e *Error) Error() string { return fmt.Sprintf("%s%v: %v", e.File, e.Place, e.Problem) }

// Unwrap returns the problem without its position.
func (e *Error) Unwrap() error { return e.Problem }

// largest limits a file's size, in bytes. It is enough for ten thousand personas, and keeps a wrong
// file (a dump, a video) out of memory.
const largest = 16 << 20

const wantFile = "a YAML file with the lists bots and chats"

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

// Parse reads a cast; name is for errors. It returns errors in the content as joined *Error.
func Parse(name string, data []byte) (*File, error) {
	file := &File{Name: name}
	r := &file.reader
	if len(data) > largest {
		return nil, file.Problem("file", fmt.Sprintf("over %d MiB", largest>>20), wantFile)
	}
	root := r.Parse(data)
	if root == nil && len(r.Problems) == 0 {
		return nil, file.Problem("file", "empty", wantFile)
	}
	if root != nil {
		described := roster.Schema()
		r.Struct(root, reflect.ValueOf(&file.Cast).Elem(), described, "")
		file.Cast.Normalise()
		if invalid, ok := errors.AsType[schema.Problems](file.Cast.Validate()); ok {
			r.Problems = append(r.Problems, r.Unreported(invalid)...)
		}
	}
	if len(r.Problems) == 0 {
		return file, nil
	}
	var errs []error
	slices.SortStableFunc(r.Problems, func(a, b schema.Problem) int {
		i, j := r.At(a.Path), r.At(b.Path)
		return cmp.Or(cmp.Compare(i.Line, j.Line), cmp.Compare(i.Column, j.Column))
	})
	for _, p := range r.Problems {
		errs = append(errs, file.Problem(p.Path, p.Value, p.Want))
	}
	return nil, errors.Join(errs...)
}

// Problem returns an error about a field of this file.
func (f *File) Problem(path, value, want string) error {
	return &Error{File: f.Name, Place: f.reader.At(path), Problem: schema.Problem{Path: path, Value: value, Want: want}}
}
