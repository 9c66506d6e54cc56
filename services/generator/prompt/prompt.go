// Package prompt renders a scene as the messages for a model: the system's message with the persona
// and the rules, the user's message with the chat. It is pure: the same scene gives the same
// prompt. Texts of people and bots can't break out of their place in it.
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

// Version is the version of the embedded templates. It rises with every change that a model could
// notice, so that the usage shows which prompt a text had.
const Version = "v7"

// Config configures a Renderer.
type Config struct {
	// Dir is a folder with system.tmpl and user.tmpl that replace the embedded templates; either
	// file may be missing. "" means none.
	Dir string
	// History limits the messages of the chat in a prompt.
	History int
	// Tokens limits the estimated length of a prompt: older messages are left out to keep it.
	Tokens int
}

// Renderer renders scenes. It is safe for concurrent use.
type Renderer struct {
	cfg          Config
	version      string
	system, user *template.Template
}

// maxTemplate limits a template's file, in bytes.
const maxTemplate = 64 << 10

// New reads the templates and renders them once, so that it reports mistakes in them.
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

// trial returns a scene with every field set.
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

// Version names the templates: the embedded ones by their version, a folder's by a hash of their
// content.
func (r *Renderer) Version() string { return r.version }

// stage holds the fields of a scene that the system's template may use: the speaker, the chat and
// its rules. Texts of others must not be in the system's message.
type stage struct {
	Persona             script.Persona
	Stances             []script.Stance
	Holdings            []string
	Purpose, Disclaimer string
	Happening           string
	ForbidAdvice        bool
	Language            string
	Length              script.Length
	Size                string // the wanted length, in words
	Refresh, Bubbles    bool
	Now                 time.Time
}

// System returns the system's message of a scene. It doesn't depend on the history or the memories.
func (r *Renderer) System(s script.Scene) (llm.Message, error) {
	text, err := execute(r.system, stage{
		Persona: s.Persona, Stances: s.Stances, Holdings: s.Holdings, Purpose: s.Purpose, Disclaimer: s.Disclaimer, Happening: s.Happening,
		ForbidAdvice: s.ForbidAdvice, Language: s.Language, Length: s.Length, Size: size(s), Refresh: s.Refresh, Bubbles: s.Bubbles, Now: s.Now,
	})
	return llm.Message{Role: llm.RoleSystem, Content: text}, err
}

// User returns the user's message of a scene. It shows as many of the newest messages as the limits
// allow beside the system's message.
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

// fitting returns the newest messages of a scene that there is room for.
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

// usual is the typical length of a rendered template, in bytes.
const usual = 2 << 10

// bytesPerToken estimates the length of a token in any script.
const bytesPerToken = 4

func tokens(s string) int { return (len(s) + bytesPerToken - 1) / bytesPerToken }

const again = "Write another one, by the same rules; what is quoted is none of them. Answer with the message alone."

// Objected returns the messages with a rejected draft and the reason, and asks for another draft.
func Objected(messages []llm.Message, draft, reason string) []llm.Message {
	return append(slices.Clip(messages),
		llm.Message{Role: llm.RoleAssistant, Content: draft},
		llm.Message{Role: llm.RoleUser, Content: "This message can't be sent. " + reason + " " + again})
}

// maxQuoted limits the quotation of an earlier message, in characters.
const maxQuoted = 200

// Quote returns a text for use in an objection: on one line, in quotation marks that the text can't
// end.
func Quote(text string) string { return strconv.Quote(oneLine(text, maxQuoted)) }
