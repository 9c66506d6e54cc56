package generator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
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
	// similarity of trigrams from which a text is nearly the same, 0 to 1.
	similarity float64
	past       *batch.Group[question, past]
	utterance  func(text string) *utterance
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
			h.said[i].utterance = h.utterance(bare)
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

// find gives an objection to a text that was said before, or to one that is much like it.
func (h *heard) find(ctx context.Context, text string) (*guard.Objection, error) {
	if time.Since(h.at) > heardFor {
		past, err := h.past.Do(ctx, h.turn)
		if err != nil {
			return nil, err
		}
		h.heard(past.said)
	}
	mine, said := h.utterance(text).trigrams(), h.said
	if len(strings.Fields(text)) <= remarkWords {
		said = said[:min(len(said), remarkWindow)]
	}
	nearest, alike := "", 0.0
	for _, s := range said {
		if s.elsewhere && h.hereOnly {
			continue
		}
		if like := mine.similarity(s.trigrams(), h.similarity); like >= h.similarity && like > alike {
			nearest, alike = s.text, like
		}
		if strings.EqualFold(s.text, text) { // it may be of marks alone, which have no trigrams
			nearest, alike = s.text, 1
		}
		if alike == 1 {
			break
		}
	}
	how := "nearly the same"
	switch alike {
	case 0:
		return nil, nil //nolint:nilnil // nobody has said it
	case 1:
		how = "the same"
	}
	reason := fmt.Sprintf("It says %s as %s. Say something else.", how, h.earlier(nearest))
	return &guard.Objection{Rule: guard.RuleRepeat, Reason: reason}, nil
}
