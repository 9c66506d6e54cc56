package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Ref says where a secret is: in an environment variable or in a file. It may be shown to
// anyone, for example in a cast file as {env: ALICE_TOKEN}.
type Ref struct {
	Env  string `json:"env,omitempty"  yaml:"env,omitempty"`
	File string `json:"file,omitempty" yaml:"file,omitempty"`
}

// ParseRef parses env:NAME or file:PATH; an empty text is the zero Ref. A text that looks
// like a token is refused, and no error repeats the text.
func ParseRef(text string) (Ref, error) {
	place, where, _ := strings.Cut(strings.TrimSpace(text), ":")
	switch where = strings.TrimSpace(where); {
	case strings.TrimSpace(text) == "":
		return Ref{}, nil
	case place == "env" && isName(where):
		return Ref{Env: where}, nil
	case place == "file" && where != "" && !looksLikeToken(where) && !strings.ContainsAny(where, "\x00\n"):
		return Ref{File: where}, nil
	}
	return Ref{}, errors.New("is no reference: want env:NAME or file:PATH, never the secret itself")
}

// String returns the form that ParseRef reads.
func (r Ref) String() string {
	switch {
	case r.Env != "":
		return "env:" + r.Env
	case r.File != "":
		return "file:" + r.File
	}
	return ""
}

func isName(text string) bool {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(text)
}

func looksLikeToken(text string) bool {
	return regexp.MustCompile(`\d{5,}:[A-Za-z0-9_-]{20,}`).MatchString(text)
}

// Resolver resolves references to secrets. The zero Resolver uses this process'
// environment, resolves relative paths from the working folder, and discards warnings.
type Resolver struct {
	// LookupEnv is os.LookupEnv if nil.
	LookupEnv func(name string) (string, bool)
	// Dir is the base of relative paths.
	Dir string
	// Warn receives one line about a secret that others can read, too.
	Warn func(message string)
}

// Resolve resolves a reference with a zero Resolver.
func Resolve(ref Ref) (String, error) { return Resolver{}.Resolve(ref) }

// Resolve returns the secret without surrounding white space. An empty secret is an error.
// Errors contain no secret, even if one was written in place of a reference.
func (r Resolver) Resolve(ref Ref) (String, error) {
	switch {
	case ref.Env != "" && ref.File != "":
		return String{}, errors.New("names both env and file: give one of them")
	case ref.Env != "":
		return r.fromEnv(ref.Env)
	case ref.File != "":
		return r.fromFile(ref.File)
	}
	return String{}, errors.New("is empty: give {env: NAME} or {file: PATH}")
}

func (r Resolver) fromEnv(name string) (String, error) {
	if !isName(name) {
		return String{}, errors.New("env: is no name of an environment variable (a secret itself must not stand here)")
	}
	lookup := r.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	text, set := lookup(name)
	if !set {
		return String{}, fmt.Errorf("the environment variable %s is not set", name)
	}
	if text = strings.TrimSpace(text); text == "" {
		return String{}, fmt.Errorf("the environment variable %s is empty", name)
	}
	return New(text), nil
}

func (r Resolver) fromFile(path string) (String, error) {
	if looksLikeToken(path) {
		return String{}, errors.New("file: looks like a bot token, want the path of a file that holds it")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.Dir, path)
	}
	text, err := readSmall(path)
	if err != nil {
		return String{}, err
	}
	if text = strings.TrimSpace(text); text == "" {
		return String{}, fmt.Errorf("%s is empty", path)
	}
	if info, err := os.Stat(path); err == nil && r.Warn != nil && info.Mode().Perm()&0o004 != 0 {
		r.Warn(fmt.Sprintf("everyone on this machine can read the secret in %s: chmod o-r %s", path, path))
	}
	return New(text), nil
}

const maxFile = 64 << 10

// readSmall reads a file with a secret. It refuses folders and large files.
func readSmall(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return "", &fs.PathError{Op: "read", Path: path, Err: errors.New("is a folder")}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxFile {
		return "", &fs.PathError{Op: "read", Path: path, Err: errors.New("is over 64 KiB, too long for a secret")}
	}
	return string(text), nil
}
