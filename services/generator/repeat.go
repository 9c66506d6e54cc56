package generator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	// botWindow is how long a bot does not say the same again, in any chat.
	botWindow = 12 * time.Hour
	// chatWindow is after how many messages a chat may hear the same again.
	chatWindow = 40
	// remarkWords is how many words a text has at most that may be said again once
	// remarkWindow messages have passed: people say "exactly" often, too.
	remarkWords, remarkWindow = 2, 10
	// heardFor is how long what was read counts as what was said.
	heardFor = 5 * time.Second
	// unsure is by how much a similarity that is counted here may be less than
	// PostgreSQL's, whose word counts.
	unsure = 0.1
)

// utterance is a text to compare others with.
type utterance struct {
	text     string
	trigrams func() *trigrams
}

// utteranceOf takes the trigrams of a text when it is compared, once.
func utteranceOf(text string) *utterance {
	return &utterance{text, sync.OnceValue(func() *trigrams { t := trigramsOf(text); return &t })}
}

// repeats compares texts with what was said, and with what waits to be said.
type repeats struct {
	pool *pgxpool.Pool
	// similarity of trigrams from which a text is nearly the same, 0 to 1.
	similarity float64
	past       *batch.Group[question, past]
}

// heard is what a turn's text must not repeat.
type heard struct {
	*repeats
	turn question
	// disclaimer is what every message of the chat ends with: nothing that was said.
	disclaimer string

	at   time.Time // when it was read
	said []said
	// hereOnly passes over what was said in other chats: a person rather hears that than
	// nothing.
	hereOnly bool
}

// listen gives what a turn's text must not repeat, as it was read a moment ago.
func (r *repeats) listen(turn question, said []said, disclaimer string) *heard {
	h := &heard{repeats: r, turn: turn, disclaimer: disclaimer}
	h.heard(said)
	return h
}

func (h *heard) heard(said []said) {
	h.at, h.said = time.Now(), said
	if h.disclaimer == "" {
		return
	}
	for i, s := range h.said {
		if bare := strings.ReplaceAll(s.text, " "+h.disclaimer, ""); bare != s.text {
			h.said[i].utterance = utteranceOf(bare)
		}
	}
}

// earlier names an earlier message in an objection: by its words, if they were said in
// this chat. The words of others are not shown to who writes for this one.
func (h *heard) earlier(text string) string {
	here := func(s said) bool { return s.text == text && !s.elsewhere }
	if !slices.ContainsFunc(h.said, here) {
		return "an earlier message in another group"
	}
	return "an earlier message: " + prompt.Quote(text)
}

// find gives an objection to a text that was said before. What may be like it is
// picked out here, because PostgreSQL takes a tenth of a millisecond for each.
func (h *heard) find(ctx context.Context, text string) (*guard.Objection, error) {
	if time.Since(h.at) > heardFor {
		past, err := h.past.Do(ctx, h.turn)
		if err != nil {
			return nil, err
		}
		h.heard(past.said)
	}
	var alike []string
	mine := trigramsOf(text)
	said := h.said
	if len(strings.Fields(text)) <= remarkWords {
		said = said[:min(len(said), remarkWindow)]
	}
	for _, s := range said {
		if s.elsewhere && h.hereOnly {
			continue
		}
		if strings.EqualFold(s.text, text) || mine.similarity(s.trigrams(), h.similarity-unsure) >= h.similarity-unsure {
			alike = append(alike, s.text)
		}
	}
	if len(alike) == 0 {
		return nil, nil //nolint:nilnil // nobody has said it
	}
	return h.compare(ctx, text, alike)
}

// Trigrams know no case, marks and white space, so what is the same but for those
// has the similarity 1.
const nearestText = `
SELECT body, alike FROM (
    SELECT body, CASE WHEN lower(body) = lower($1) THEN 1 ELSE similarity(body, $1) END AS alike FROM unnest($2::text[]) AS said(body)) compared
WHERE alike >= $3::float8 ORDER BY alike DESC LIMIT 1`

func (h *heard) compare(ctx context.Context, text string, with []string) (*guard.Objection, error) {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	var said string
	var alike float64
	err := h.pool.QueryRow(ctx, nearestText, text, with, h.similarity).Scan(&said, &alike)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // it is another text
	}
	if err != nil {
		return nil, fmt.Errorf("look for repetitions: %w", err)
	}
	how := "nearly the same"
	if alike >= 1 {
		how = "the same"
	}
	reason := fmt.Sprintf("It says %s as %s. Say something else.", how, h.earlier(said))
	return &guard.Objection{Rule: guard.RuleRepeat, Reason: reason}, nil
}
