// Package offline is a text provider that needs no model: it composes lines
// from templates, a recursive grammar and small files of topic knowledge.
//
// It knows what it says: every claim in its topic files stands with what
// supports it and what speaks against it, every question with its answers. So
// a reply to a line that carries a known claim or question truly answers it; to a
// frame of another bot (open_interest) it answers by the rule that follows on it
// (after_open_interest). What people ask first (answers.yaml) has answers of its own.
//
// It deceives nobody: asked whether it is a bot, it says that it is a persona
// played by templates, and no line claims to come from a person.
package offline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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
const attempts = 8

// asking is the share of lines that may ask, and unasked what a question costs another.
// Where few of the last lines asked, rather a line asks, where many did, none.
const (
	asking, unasked = 0.45, 0.25 // also what a cut costs
	few, many       = 0.15, 0.20
)

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
// four characters a token), the disclaimer not counted. It is script.Pass where the scene
// allows it and there is nothing to say but a shrug. Where the scene allows bubbles,
// some of its sentences stand on lines of their own. The same scene gives the
// same text. There are words for English and German: a person is answered in the one
// that they write, a scene in another language gets an English text. No sentence of
// the history is said again, so the more of it a scene has, the more varied a chat is;
// 200 lines do well. The only error is the
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
	if s.Also != nil {
		return p.composeTwo(s, maxTokens)
	}
	l := p.languages.of(s)
	view := l.look(s)
	limit := limits[view.length].chars
	if view.direct() {
		limit = limits[script.Medium].chars
	}
	if maxTokens > 0 {
		limit = min(limit, maxTokens*charsPerToken)
	}
	rng := rand.New(rand.NewPCG(s.Seed, hash(s.Persona.Name)))
	manner := view.manner()
	want := view.want
	if t := view.target; t != nil && !t.bot {
		want = max(want, usualWords) // people are not put off with a word
	}
	asks := rng.Float64() < asking
	var best string
	var bestScore float64
	shrugs := true
	for range attempts {
		d := draft{view: view, rng: rng, want: want}
		whole := d.turn(d.write())
		text := cut(whole, limit)
		r, words := readingOf(text)
		score := view.judge(r, words, want, limit) - view.cost(text, whole, asks)
		if score > repeats && (best == "" || score > bestScore) && !l.lexicon.denies(r) {
			best, bestScore, shrugs = text, score, d.shrugs
		}
		if best != "" && bestScore >= goodEnough {
			break
		}
	}
	switch {
	case shrugs && s.MayPass:
		return script.Pass
	case best == "":
		best = view.quiet(rng)
	}
	if view.target == nil || view.target.honest == "" {
		best = cut(view.dress(best, manner, rng), limit)
		if s.Bubbles {
			best = broken(best, manner, rng)
		}
	}
	return join(best, view.disclaimer)
}

// composeTwo is a short answer to either of two messages.
func (p *Provider) composeTwo(s script.Scene, maxTokens int) string {
	first := s
	first.Also, first.Length, first.Disclaimer, first.Bubbles = nil, script.Short, "", false
	second := first
	second.Answering, second.Disclaimer, second.Seed = s.Also, s.Disclaimer, s.Seed+1
	return join(p.Compose(first, maxTokens/2), p.Compose(second, maxTokens/2))
}

// cost is what a text's score is lowered by for being cut, and for asking where it should not.
func (v *view) cost(text, whole string, asks bool) (cost float64) {
	if text != whole {
		cost += unasked
	}
	switch asking, asked := strings.Contains(text, "?"), v.asked(); {
	case v.direct():
	case asking && asked > many:
		cost += 2 * unasked
	case asking && !asks && asked > few, !asking && asked < few:
		cost += unasked
	}
	return cost
}

// asked is the part of the last lines that ask something; few lines tell little.
func (v *view) asked() float64 {
	const lately, least = 30, 10
	last := v.lines[max(0, len(v.lines)-lately):]
	n := least * (few + many) / 2
	for _, l := range last {
		n += float64(min(1, strings.Count(l.text, "?")))
	}
	return n / float64(len(last)+least)
}

// broken is a text with line breaks between some of its sentences, two at most: behind a
// first one of a word or a few, and else now and then. Who seldom ends a line with a full
// stop writes none before them.
func broken(text string, m manner, rng *rand.Rand) string {
	const maxBreaks, share = 2, 0.35
	var said string
	from, breaks, stops := 0, 0, rng.Float64() < m.stop
	ends := sentenceEnds(text)
	for i, end := range ends[:max(len(ends)-1, 0)] {
		sentence := strings.TrimSpace(text[from:end])
		short := i == 0 && len(strings.Fields(sentence)) <= brief
		if breaks == maxBreaks || !short && rng.Float64() >= share {
			continue
		}
		if !stops && !strings.HasSuffix(sentence, "..") {
			sentence = strings.TrimSuffix(sentence, ".")
		}
		said, from, breaks = said+sentence+"\n", end, breaks+1
	}
	return said + strings.TrimSpace(text[from:])
}

// quiet is a short line for where nothing else is left to say.
func (v *view) quiet(rng *rand.Rand) string {
	for range 4 * attempts {
		d := draft{view: v, rng: rng}
		text, _ := d.expand("silence", 0)
		text = capitalise(text)
		if r, _ := readingOf(text); !slices.ContainsFunc(r.sentences, v.sentences.mayHave) {
			return text
		}
	}
	return "…"
}

// Templates tells whoever needs a model's answer that there is none here.
func (p *Provider) Templates() {}
