package generator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/generator/prompt"
)

const (
	// botWindow is how long a bot does not say the same again, in any chat.
	botWindow = 12 * time.Hour
	// chatWindow is after how many messages a chat may hear the same again.
	chatWindow = 40
	// heardFor is how long what was read counts as what was said.
	heardFor = 5 * time.Second
	// unsure is by how much a similarity that is counted here may be less than
	// PostgreSQL's, whose word counts.
	unsure = 0.1
)

// repeats compares texts with what was said, and with what waits to be said.
type repeats struct {
	pool *pgxpool.Pool
	// similarity of trigrams from which a text is nearly the same, 0 to 1.
	similarity float64
	// known are texts with their trigrams: a text is compared with much the same ones
	// as the last.
	known *otter.Cache[string, *utterance]
}

// maxKnown is how many texts' trigrams are kept, of half a kilobyte or so each:
// those of some hundred chats.
const maxKnown = 30_000

func newRepeats(pool *pgxpool.Pool, similarity float64) (*repeats, error) {
	known, err := otter.New(&otter.Options[string, *utterance]{MaximumSize: maxKnown})
	if err != nil {
		return nil, fmt.Errorf("keep trigrams: %w", err)
	}
	return &repeats{pool: pool, similarity: similarity, known: known}, nil
}

func (r *repeats) utterance(text string) *utterance {
	if known, ok := r.known.GetIfPresent(text); ok {
		return known
	}
	u := &utterance{text, trigramsOf(text)}
	r.known.Set(text, u)
	return u
}

// heard is what a turn's text must not repeat.
type heard struct {
	*repeats
	turn *chorusv1.Turn
	// disclaimer is what every message of the chat ends with: nothing that was said.
	disclaimer string

	read chan struct{} // closed when the rest is there
	at   time.Time
	said []*utterance
	// elsewhere are those that were said in other chats, whose words are not shown to
	// who writes for this one.
	elsewhere map[string]bool
	err       error
}

type utterance struct {
	text string
	trigrams
}

// listen begins to read what was said. That and the trigrams take longer than all
// else that a text waits for, so it is done while a provider writes it. Whoever
// listens waits for the end.
func (r *repeats) listen(ctx context.Context, turn *chorusv1.Turn, disclaimer string) *heard {
	h := &heard{repeats: r, turn: turn, disclaimer: disclaimer, read: make(chan struct{})}
	go func() {
		defer close(h.read)
		h.look(ctx)
	}()
	return h
}

func (h *heard) wait() { <-h.read }

// What a bot said is read from its deliveries, wherever it said it: the messages are
// spread over many tables by their chats, and to look into each takes longer than
// everything else.
const wasSaid = `
(SELECT body, false FROM messages WHERE chat_id = $1 AND talk ORDER BY sent_at DESC, number DESC LIMIT $3)
UNION SELECT body, false FROM deliveries WHERE lane = 'message' AND chat_id = $1 AND body IS NOT NULL AND closed_at IS NULL AND turn_no <> $5
UNION SELECT body, chat_id <> $1 FROM deliveries WHERE bot_id = $2 AND body IS NOT NULL AND created_at > now() - $4::interval AND (chat_id, turn_no) <> ($1, $5)`

func (h *heard) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	h.at, h.said, h.elsewhere = time.Now(), nil, map[string]bool{}
	id := h.turn.GetId()
	// An error of the query comes with its rows, too.
	rows, _ := h.pool.Query(ctx, wasSaid, id.GetChatId(), h.turn.GetBotId(), chatWindow, botWindow, id.GetNumber())
	var body string
	var elsewhere bool
	here := map[string]bool{}
	_, err := pgx.ForEachRow(rows, []any{&body, &elsewhere}, func() error {
		if h.disclaimer != "" {
			body = strings.ReplaceAll(body, " "+h.disclaimer, "")
		}
		if !here[body] && !h.elsewhere[body] {
			h.said = append(h.said, h.utterance(body))
		}
		here[body], h.elsewhere[body] = here[body] || !elsewhere, h.elsewhere[body] || elsewhere
		return nil
	})
	for body := range here {
		h.elsewhere[body] = h.elsewhere[body] && !here[body]
	}
	if h.err = err; err != nil {
		h.err = fmt.Errorf("read what was said: %w", err)
	}
}

// earlier names an earlier message in an objection: by its words, if they were said in
// this chat.
func (h *heard) earlier(said string) string {
	if h.elsewhere[said] {
		return "an earlier message in another group"
	}
	return "an earlier message: " + prompt.Quote(said)
}

// find gives an objection to a text that was said before. What may be like it is
// picked out here, because PostgreSQL takes a tenth of a millisecond for each.
func (h *heard) find(ctx context.Context, text string) (*guard.Objection, error) {
	h.wait()
	if h.err != nil || time.Since(h.at) > heardFor {
		h.look(ctx)
	}
	if h.err != nil {
		return nil, h.err
	}
	var alike []string
	mine := trigramsOf(text)
	for _, u := range h.said {
		if strings.EqualFold(u.text, text) || mine.similarity(&u.trigrams, h.similarity-unsure) >= h.similarity-unsure {
			alike = append(alike, u.text)
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
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
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
