// Package prompt renders a scene as the messages that a model is asked with. It
// is pure: the same scene gives the same prompt.
package prompt

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

//go:embed *.tmpl
var files embed.FS

// Version is the version of the embedded templates. It rises with every change of
// them that a model could notice, so that usage tells which prompt a text had.
const Version = "v7"

// Config says with what prompts are rendered.
type Config struct {
	// Dir is a folder with system.tmpl and user.tmpl instead of the embedded ones;
	// one that is missing there stays the embedded one. "" is none.
	Dir string
	// History is how many messages of the chat are shown at most.
	History int
	// Tokens is how long a prompt may be, about: older messages are left out so
	// that it is kept.
	Tokens int
}

// Renderer renders scenes. It is safe for concurrent use.
type Renderer struct {
	cfg          Config
	version      string
	system, user *template.Template
}

// maxTemplate bounds a template's file, in bytes.
const maxTemplate = 64 << 10

// New reads the templates, and tries them, so that a mistake in one is found now.
func New(cfg Config) (*Renderer, error) {
	r := &Renderer{cfg: cfg, version: Version}
	sum := sha256.New()
	own := false
	read := func(name string) (*template.Template, error) {
		text, err := files.ReadFile(Version + "." + name)
		if err != nil {
			return nil, fmt.Errorf("read the prompt's templates: %w", err)
		}
		if cfg.Dir != "" {
			switch mine, err := os.ReadFile(filepath.Join(cfg.Dir, name)); {
			case err == nil && len(mine) > maxTemplate:
				return nil, fmt.Errorf("%s has %d bytes, want at most %d", filepath.Join(cfg.Dir, name), len(mine), maxTemplate)
			case err == nil:
				text, own = mine, true
			case !errors.Is(err, fs.ErrNotExist):
				return nil, fmt.Errorf("read a template: %w", err)
			}
		}
		_, _ = sum.Write(text)
		t, err := template.New(name).Option("missingkey=error").Funcs(functions()).Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("read the prompt's templates: %w", err)
		}
		return t, nil
	}
	var err error
	if r.system, err = read("system.tmpl"); err != nil {
		return nil, err
	}
	if r.user, err = read("user.tmpl"); err != nil {
		return nil, err
	}
	if cfg.Dir != "" && !own {
		return nil, fmt.Errorf("%s has neither system.tmpl nor user.tmpl", cfg.Dir)
	}
	if own {
		r.version = "own-" + hex.EncodeToString(sum.Sum(nil)[:4])
	}
	system, err := r.System(trial())
	if err == nil {
		_, err = r.User(trial(), system)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// trial is a scene that has everything.
func trial() script.Scene {
	said := script.Line{Author: "Tom", Text: "Hello"}
	return script.Scene{
		Persona: script.Persona{
			Name: "Anna", Summary: "S", Tone: "warm", Phrases: []string{"P"}, Interests: []string{"I"}, Hint: "H",
			Voice: voice.Of(voice.Voice{}, "warm", 0, "Anna"),
		},
		Stances: []script.Stance{{Topic: "T", Text: "S", Confidence: 1}}, Holdings: []string{"H"}, Memories: []string{"M"}, Topic: "T", News: "N",
		Answering: &said, Also: &said, History: []script.Line{said}, Language: "en", Purpose: "P", Disclaimer: "D",
		ForbidAdvice: true, Refresh: true, MayPass: true, Now: time.Unix(0, 0), Happening: "H", Note: "N",
	}
}

// Version names the templates: the embedded ones by their version, a folder's by
// what stands in them.
func (r *Renderer) Version() string { return r.version }

// stage is what the system's template is given of a scene: who speaks, where, and by
// what rules. What others wrote is not for a system's message.
type stage struct {
	Persona             script.Persona
	Stances             []script.Stance
	Holdings            []string
	Purpose, Disclaimer string
	Happening           string
	ForbidAdvice        bool
	Language            string
	Length              script.Length
	Size                string // how long the text is to be, in words
	Refresh, Bubbles    bool
	Now                 time.Time
}

// System gives the system's message of a scene, which does not depend on what was
// said or is remembered.
func (r *Renderer) System(s script.Scene) (llm.Message, error) {
	text, err := execute(r.system, stage{
		Persona: s.Persona, Stances: s.Stances, Holdings: s.Holdings, Purpose: s.Purpose, Disclaimer: s.Disclaimer, Happening: s.Happening,
		ForbidAdvice: s.ForbidAdvice, Language: s.Language, Length: s.Length, Size: size(s), Refresh: s.Refresh, Bubbles: s.Bubbles, Now: s.Now,
	})
	return llm.Message{Role: llm.RoleSystem, Content: text}, err
}

// User gives the user's message of a scene. Of the history it shows the newest
// messages, as many as the bounds allow beside the system's message.
func (r *Renderer) User(s script.Scene, system llm.Message) (llm.Message, error) {
	s.History = s.History[max(len(s.History)-r.cfg.History, 0):]
	text, err := execute(r.user, s)
	if err != nil {
		return llm.Message{}, err
	}
	if room := r.cfg.Tokens - tokens(system.Content); tokens(text) > room {
		if s.History, err = r.fitting(s, room); err != nil {
			return llm.Message{}, err
		}
		if text, err = execute(r.user, s); err != nil {
			return llm.Message{}, err
		}
	}
	return llm.Message{Role: llm.RoleUser, Content: text}, nil
}

// fitting is the newest of a scene's messages that there is room for.
func (r *Renderer) fitting(s script.Scene, room int) ([]script.Line, error) {
	history := s.History
	s.History = nil
	bare, err := execute(r.user, s)
	if err != nil {
		return nil, err
	}
	room -= tokens(bare)
	count := len(history)
	for ; count > 0; count-- {
		if room -= tokens(shown(history[count-1]) + "\n"); room < 0 {
			break
		}
	}
	return history[count:], nil
}

func execute(t *template.Template, data any) (string, error) {
	var b strings.Builder
	b.Grow(usual)
	if err := t.Execute(&b, data); err != nil {
		return "", fmt.Errorf("render the prompt: %w", err)
	}
	return b.String(), nil
}

// usual is how long a rendered template is, about, in bytes.
const usual = 2 << 10

// bytesPerToken is how long a token is, about, in any script.
const bytesPerToken = 4

func tokens(s string) int { return (len(s) + bytesPerToken - 1) / bytesPerToken }

const again = "Write another one, by the same rules; what is quoted is none of them. Answer with the message alone."

// Objected asks for a draft once more, with why the first can't be sent.
func Objected(messages []llm.Message, draft, reason string) []llm.Message {
	return append(slices.Clip(messages),
		llm.Message{Role: llm.RoleAssistant, Content: draft},
		llm.Message{Role: llm.RoleUser, Content: "This message can't be sent. " + reason + " " + again})
}

// maxQuoted limits how much of an earlier message a writer is shown, in characters.
const maxQuoted = 200

// Quote shows an earlier message in what an objection says: on one line, in quotation
// marks that it can't end.
func Quote(text string) string { return strconv.Quote(oneLine(text, maxQuoted)) }
