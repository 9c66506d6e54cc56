// Package offline is a text provider that needs no model: it composes lines
// from templates, a recursive grammar and small files of topic knowledge.
//
// It knows what it says: every claim in its topic files stands with what
// supports it and what speaks against it, every question with its answers. So
// a reply to a line that carries a known claim or question truly answers it;
// to any other line it answers by a word of that line. What the chat's history
// already says is not said again.
//
// It deceives nobody: asked whether it is a bot, it says that it is a persona
// played by templates, and no line claims to come from a person.
package offline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// Name and Model are what a Response of this provider says.
const (
	Name  = "offline"
	Model = "templates"
)

// attempts is how many drafts are composed for one text; the best is taken.
const attempts = 12

// Provider composes text. It is safe for concurrent use.
type Provider struct {
	languages languages
}

var _ llm.Provider = (*Provider)(nil)

// New reads the embedded languages. An error means that the data files
// contradict each other, which a test of this package rules out.
func New() (*Provider, error) {
	l, err := loadLanguages(dataFS, "data")
	if err != nil {
		return nil, fmt.Errorf("offline text: %w", err)
	}
	return &Provider{languages: l}, nil
}

// Generate composes a text from the scene that script.With put into ctx; the messages
// are not read. The text keeps to the scene's length class and to MaxTokens (taken as
// four characters a token), the disclaimer not counted. The same scene gives the
// same text. There are words for English alone: a scene in another language gets
// an English text. What the history shows is not said again, so the more of it a
// scene has, the more varied a chat is; 100 lines do well. The only error is the
// end of ctx.
func (p *Provider) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	if err := ctx.Err(); err != nil {
		return llm.Response{}, err
	}
	start := time.Now()
	text := p.Compose(script.From(ctx), r.MaxTokens)
	return llm.Response{
		Text:     text,
		Provider: Name,
		Model:    Model,
		Usage:    llm.Usage{Latency: time.Since(start)},
		Offline:  true,
	}, nil
}

// Compose is the text of Generate for a scene.
func (p *Provider) Compose(s script.Scene, maxTokens int) string {
	l := p.languages.match(s.Language)
	view := l.look(s)
	limit := limits[view.length].chars
	if maxTokens > 0 {
		limit = min(limit, maxTokens*charsPerToken)
	}

	rng := rand.New(rand.NewPCG(s.Seed, hash(s.Persona.Name)))
	var best string
	var bestScore float64
	for range attempts {
		d := draft{view: view, rng: rng}
		text := d.write()
		score := view.judge(text, limit)
		if score > deceives && (best == "" || score > bestScore) {
			best, bestScore = text, score
		}
		if best != "" && bestScore >= goodEnough {
			break
		}
	}
	if best == "" {
		best = l.lexicon.Silence
	}
	return join(cut(best, limit), view.disclaimer)
}

// Templates tells whoever needs a model's answer that there is none here.
func (p *Provider) Templates() {}
