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
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
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
	// asked are the questions for what was said, asked together.
	asked *batch.Group[*chorusv1.Turn, []said]
}

// maxKnown limits how many texts' trigrams are kept, of half a kilobyte or so each:
// those of some hundred chats.
const maxKnown = 30_000

func newRepeats(pool *pgxpool.Pool, similarity float64) (*repeats, error) {
	known, err := otter.New(&otter.Options[string, *utterance]{MaximumSize: maxKnown})
	if err != nil {
		return nil, fmt.Errorf("keep trigrams: %w", err)
	}
	r := &repeats{pool: pool, similarity: similarity, known: known}
	r.asked = batch.New(together(), r.saidTo)
	return r, nil
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

// What a bot said is read from its deliveries, wherever it said it: they have an index for
// it, and it need not be in the log of messages by now. A text may come twice.
const wasSaid = `
SELECT u.n, said.body, said.elsewhere
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS u(chat_id, bot_id, turn_no, n) CROSS JOIN LATERAL (
    (SELECT body, false AS elsewhere FROM messages WHERE chat_id = u.chat_id AND talk ORDER BY sent_at DESC, number DESC LIMIT $4)
    UNION ALL SELECT body, false FROM deliveries
        WHERE lane = 'message' AND chat_id = u.chat_id AND body IS NOT NULL AND closed_at IS NULL AND turn_no <> u.turn_no
    UNION ALL SELECT body, chat_id <> u.chat_id FROM deliveries
        WHERE bot_id = u.bot_id AND body IS NOT NULL AND created_at > now() - $5::interval AND (chat_id, turn_no) <> (u.chat_id, u.turn_no)) said`

// said is a text, and whether it was said in another chat than that of whoever asks.
type said struct {
	body      string
	elsewhere bool
}

// saidTo gives for each turn what its text must not repeat.
func (r *repeats) saidTo(ctx context.Context, turns []*chorusv1.Turn) ([][]said, error) {
	found := make([][]said, len(turns))
	chats, bots, numbers := make([]int64, len(turns)), make([]int64, len(turns)), make([]int64, len(turns))
	for i, t := range turns {
		chats[i], bots[i], numbers[i] = t.GetId().GetChatId(), t.GetBotId(), t.GetId().GetNumber()
	}
	// An error of the query comes with its rows, too.
	rows, _ := r.pool.Query(ctx, wasSaid, chats, bots, numbers, chatWindow, botWindow)
	var n int
	var s said
	_, err := pgx.ForEachRow(rows, []any{&n, &s.body, &s.elsewhere}, func() error {
		found[n-1] = append(found[n-1], s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was said: %w", err)
	}
	return found, nil
}

func (h *heard) look(ctx context.Context) {
	h.at, h.said, h.elsewhere = time.Now(), nil, map[string]bool{}
	var all []said
	all, h.err = h.asked.Do(ctx, h.turn)
	here := map[string]bool{}
	for _, s := range all {
		if h.disclaimer != "" {
			s.body = strings.ReplaceAll(s.body, " "+h.disclaimer, "")
		}
		if !here[s.body] && !h.elsewhere[s.body] {
			h.said = append(h.said, h.utterance(s.body))
		}
		here[s.body], h.elsewhere[s.body] = here[s.body] || !s.elsewhere, h.elsewhere[s.body] || s.elsewhere
	}
	for body := range here {
		h.elsewhere[body] = h.elsewhere[body] && !here[body]
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
	mine := h.utterance(text) // which the chat's next texts are compared with
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
