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
	// botWindow is the time in which a bot must not repeat a text, in any chat.
	botWindow = 12 * time.Hour
	// chatWindow is the number of messages after which a text may be repeated in a chat.
	chatWindow = 40
	// A text of at most remarkWords words may be repeated after remarkWindow messages: people, too,
	// say "exactly" often.
	remarkWords, remarkWindow = 2, 10
	// saidLifetime limits the age of the texts that were read with the scene; older ones are read
	// again.
	saidLifetime = 5 * time.Second
)

// utterance is a text with its trigrams.
type utterance struct {
	text     string
	trigrams func() *trigrams
}

// utteranceOf returns the utterance of a text. Its trigrams are computed once, when they are
// needed.
func utteranceOf(text string) *utterance {
	return &utterance{text, sync.OnceValue(func() *trigrams { t := trigramsOf(text); return &t })}
}

// repeats finds repetitions of texts that were said or wait to be sent.
type repeats struct {
	// similarity of trigrams from which two texts count as nearly the same, 0 to 1.
	similarity float64
	past       *batch.Group[question, past]
	utterance  func(text string) *utterance
}

// heard holds the texts that one turn must not repeat.
type heard struct {
	*repeats
	turn question
	// disclaimer ends every message of the chat; it is removed before texts are compared.
	disclaimer string

	at   time.Time // when said was read
	said []said
	// hereOnly ignores texts of other chats. A person gets an answer rather than none, even if the
	// bot said the same elsewhere.
	hereOnly bool
}

// listen returns the texts that a turn must not repeat, from those read a moment ago.
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

// earlier describes an earlier message in an objection. It quotes the message only if it was said
// in this chat: other chats' texts must not get into this chat's prompt.
func (h *heard) earlier(text string) string {
	here := func(s said) bool { return s.text == text && !s.elsewhere }
	if !slices.ContainsFunc(h.said, here) {
		return "an earlier message in another group"
	}
	return "an earlier message: " + prompt.Quote(text)
}

// find returns an objection to a text that repeats an earlier one or resembles it, or nil.
func (h *heard) find(ctx context.Context, text string) (*guard.Objection, error) {
	if time.Since(h.at) > saidLifetime {
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
		if strings.EqualFold(s.text, text) { // texts of punctuation alone have no trigrams
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
