package turns

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// Writing tells how a turn's text was written, from what is stored about it.
type Writing struct {
	Writings []Written `json:"writings" doc:"how its text was written, the oldest first; several where a person had it written again" db:"-"`
	Calls    []Call    `json:"calls" doc:"to providers of texts" db:"-"`
	// Decisions are the decisions of people on the text.
	Decisions []Decision `json:"decisions" doc:"of people on its text, the oldest first" db:"-"`
	NotKept   string     `json:"not_kept,omitempty" doc:"what of it is not kept, and why" db:"-"`
}

// Written is one step of the writing.
type Written struct {
	At     time.Time       `json:"at"`
	Prompt []journal.Asked `json:"prompt,omitempty" doc:"what the model was asked by; left out where it is not kept"`
	Drafts []journal.Draft `json:"drafts" doc:"what it wrote, in order"`
}

// Decision is a person's decision on a held text.
type Decision struct {
	At    time.Time `json:"at"`
	What  string    `json:"what" enum:"sent,edited,discarded,rewritten"`
	By    string    `json:"by"`
	Via   string    `json:"via,omitempty" doc:"by what way: console, api, mcp or telegram; empty of old ones"`
	Draft []string  `json:"draft,omitempty" doc:"the messages as they waited, where others were sent or written instead"`
	Note  string    `json:"note,omitempty" doc:"what was to be done otherwise"`
}

// String describes the decision: what, by whom and through which interface.
func (d Decision) String() string {
	ways := map[string]string{"console": " in the console", "api": " by the API", "mcp": " by MCP", "telegram": " in Telegram"}
	said := map[string]string{"sent": "Sent", "edited": "Edited and sent", "discarded": "Discarded", "rewritten": "Given back to be written again"}
	return cmp.Or(said[d.What], d.What) + " by " + d.By + ways[d.Via]
}

// Call is one to a provider of texts.
type Call struct {
	At               time.Time     `json:"at"`
	Purpose          string        `json:"purpose"`
	Provider         string        `json:"provider"`
	Model            string        `json:"model,omitempty"`
	Prompt           string        `json:"prompt,omitempty" doc:"the version of the prompt's templates"`
	PromptTokens     int           `json:"prompt_tokens"`
	CompletionTokens int           `json:"completion_tokens"`
	Cost             float64       `json:"cost"`
	Latency          time.Duration `json:"latency_ns"`
	Outcome          string        `json:"outcome"`
}

const (
	readWritings = `-- console: drafts of a turn
SELECT at, prompt, drafts FROM drafts WHERE chat_id = $1 AND turn_no = $2 ORDER BY at LIMIT 20`
	readDecisions = `-- console: decisions on a turn
SELECT at, what, by, via, draft, note FROM decisions WHERE chat_id = $1 AND turn_no = $2 ORDER BY at, version LIMIT 20`
	// Reactions have no text, and the answers to commands no writer.
	wasWritten = `-- console: whether a text was written
SELECT count(*) > 0 FROM turns WHERE chat_id = $1 AND turn_no = $2 AND kind NOT IN ('reaction', 'command') AND written_at IS NOT NULL`
	readCalls = `-- console: calls of a turn
SELECT at, purpose, provider, model, prompt, prompt_tokens, completion_tokens, cost::float8, latency, outcome
FROM llm_calls WHERE chat_id = $1 AND turn_no = $2 ORDER BY at, id LIMIT 100`
)

// readWriting reads how the text of a turn was written.
func readWriting(ctx context.Context, pool *pgxpool.Pool, values *settings.Values, chat, number int64) (w Writing, _ error) {
	var written bool
	var b pgx.Batch
	queue(&b, &w.Writings, readWritings, chat, number)
	queue(&b, &w.Calls, readCalls, chat, number)
	queue(&b, &w.Decisions, readDecisions, chat, number)
	b.Queue(wasWritten, chat, number).QueryRow(func(row pgx.Row) error { return row.Scan(&written) })
	if err := pool.SendBatch(ctx, &b).Close(); err != nil {
		return w, fmt.Errorf("read how a text was written: %w", err)
	}
	if written {
		w.tellMissing(values, chat)
	}
	return w, nil
}

// tellMissing describes what isn't stored about a text, and why.
func (w *Writing) tellMissing(values *settings.Values, chat int64) {
	keep, keepFor := settings.KeepDrafts.Of(values, chat, 0), settings.KeepDraftsFor.Of(values, chat, 0)
	prompted := slices.ContainsFunc(w.Writings, func(w Written) bool { return len(w.Prompt) > 0 })
	switch {
	case prompted:
	case keep == "off":
		w.NotKept = "Drafts and prompts are not kept: keep_drafts is off."
	case len(w.Writings) > 0:
		w.NotKept = "The prompt is not kept: keep_drafts was not all, or no model was asked."
	case keep == "objected":
		w.NotKept = fmt.Sprintf("Nothing is kept: the guard objected to no draft, or it was longer than %s ago. "+
			"With keep_drafts all every draft is kept, and the prompt.", age(keepFor))
	default:
		w.NotKept = fmt.Sprintf("Nothing is kept: no draft was written, it was longer than %s ago, or keep_drafts was not all then.", age(keepFor))
	}
}

// age is a length of time for people, in days where it has some.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	if d > day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// settingPath returns the address of the setting that says what is stored in a chat.
func settingPath(chat string) string {
	return "/operate/settings?chat=" + url.QueryEscape(chat) + "#keep_drafts"
}

// piece is a part of a text, which may be marked.
type piece struct {
	Text   string
	Marked bool
}

// marked are the pieces of a draft, with the words marked that were objected to. There is
// one piece where they don't stand in it as they were found.
func marked(text, found string) []piece {
	runes, words := []rune(text), plain([]rune(found))
	for at := range runes {
		if end := at + len(words); len(words) > 0 && end <= len(runes) && slices.Equal(plain(runes[at:end]), words) {
			return []piece{{Text: string(runes[:at])}, {string(runes[at:end]), true}, {Text: string(runes[end:])}}
		}
	}
	return []piece{{Text: text}}
}

// plain is a text as the guard compares it.
func plain(text []rune) []rune {
	out := make([]rune, len(text))
	for i, r := range text {
		switch r {
		case '’', '`', '´':
			r = '\''
		}
		out[i] = unicode.ToLower(r)
	}
	return out
}

// shown reports whether the rejected words are in the draft as they were found.
func shown(d journal.Draft) bool { return d.Found == "" || len(marked(d.Text, d.Found)) > 1 }
