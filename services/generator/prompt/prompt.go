// Package prompt renders a scene as the messages that a model is asked with. It
// is pure: the same scene gives the same prompt.
package prompt

import (
	"embed"
	"fmt"
	"strings"
	"text/template"
	"unicode"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

//go:embed *.tmpl
var files embed.FS

// Version is the version of the embedded templates.
const Version = "v1"

// Renderer renders scenes. It is safe for concurrent use.
type Renderer struct {
	system, user *template.Template
}

// New reads the embedded templates.
func New() (*Renderer, error) {
	all, err := template.New("prompt").Option("missingkey=error").Funcs(template.FuncMap{
		"join":       strings.Join,
		"line":       line,
		"sentences":  sentences,
		"confidence": confidence,
	}).ParseFS(files, Version+".*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("read the prompt's templates: %w", err)
	}
	return &Renderer{system: all.Lookup(Version + ".system.tmpl"), user: all.Lookup(Version + ".user.tmpl")}, nil
}

// Render gives the system's and the user's message.
func (r *Renderer) Render(s llm.Scene) ([]llm.Message, error) {
	var system, user strings.Builder
	if err := r.system.Execute(&system, s); err != nil {
		return nil, fmt.Errorf("render the system prompt: %w", err)
	}
	if err := r.user.Execute(&user, s); err != nil {
		return nil, fmt.Errorf("render the user prompt: %w", err)
	}
	return []llm.Message{
		{Role: llm.RoleSystem, Content: system.String()},
		{Role: llm.RoleUser, Content: user.String()},
	}, nil
}

// mostOfLine is how much of one message a prompt shows, in characters.
const mostOfLine = 400

// mostOfName is how much of its author's name.
const mostOfName = 64

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// line shows one message on one line. It can't end the block that it stands in,
// nor begin a line that looks like another member's.
func line(l any) (string, error) {
	var m llm.Line
	switch v := l.(type) {
	case llm.Line:
		m = v
	case *llm.Line:
		m = *v
	default:
		return "", fmt.Errorf("%T is not a line", l)
	}
	// A name with a colon in it could look like another's name and words.
	author := oneLine(strings.ReplaceAll(m.Author, ":", " "), mostOfName)
	if author == "" {
		author = "Somebody"
	}
	return author + ": " + oneLine(m.Text, mostOfLine), nil
}

// oneLine shows a text on one line, without what could pass for a tag and what
// people can't see: models read invisible characters all the same.
func oneLine(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '<':
			return '‹'
		case r == '>':
			return '›'
		case unicode.IsSpace(r):
			return ' '
		case r == zeroWidthJoiner, r == zeroWidthNonJoiner: // within emoji and Persian words
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return s
}

func sentences(l llm.Length) string {
	switch l {
	case llm.Short:
		return "one or two short sentences"
	case llm.Long:
		return "three or four sentences"
	case llm.Medium:
	}
	return "two or three sentences"
}

func confidence(c float64) string {
	switch {
	case c >= 0.8:
		return "firmly"
	case c >= 0.5:
		return "rather"
	}
	return "not sure of it"
}
