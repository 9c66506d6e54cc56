package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Drafts records how a turn's text was written.
type Drafts struct {
	// Prompt holds the messages sent to the model. It is empty if prompts aren't kept, or
	// if no model was called.
	Prompt []Asked
	Drafts []Draft
}

// Asked is a message of a prompt.
type Asked struct {
	Role string `json:"role" doc:"system or user"`
	Text string `json:"text"`
}

// Draft is one text written for a turn, and the guard's objection to it.
type Draft struct {
	Text   string `json:"text"`
	Rule   string `json:"rule,omitempty" doc:"the rule of the guard that objected; none where none did"`
	Reason string `json:"reason,omitempty" doc:"what the model was told of it"`
	Found  string `json:"found,omitempty" doc:"the words that were objected to, in lower case; none where it was all of the draft"`
	Mended bool   `json:"mended,omitempty" doc:"whether it was sent all the same, without what could be taken from it"`
}

const (
	// maxShown limits a stored message of a prompt, maxDraft a stored draft, in bytes.
	maxShown = 32 << 10
	maxDraft = 8 << 10

	// The join stores drafts only with their text: after a lost claim nothing is stored.
	keepDrafts = `,
drafts AS (
    INSERT INTO drafts (chat_id, turn_no, prompt, drafts)
    SELECT k.chat_id, k.turn_no, k.prompt::jsonb, k.drafts::jsonb
    FROM unnest($20::bigint[], $21::bigint[], $22::text[], $23::text[]) AS k(chat_id, turn_no, prompt, drafts)
    JOIN done ON done.chat_id = k.chat_id AND done.turn_no = k.turn_no)`

	deleteOldDrafts = `
DELETE FROM drafts WHERE ctid = ANY(ARRAY(SELECT ctid FROM drafts WHERE chat_id = $1 AND at < now() - $2::interval LIMIT $3))`

	forgetShown = `-- forget what was shown
UPDATE drafts SET prompt = NULL WHERE chat_id = ANY($1) AND prompt IS NOT NULL`
)

// DeleteOldDrafts deletes up to limit drafts of a chat that are older than keep, and
// returns their number.
func (j *Journal) DeleteOldDrafts(ctx context.Context, chatID int64, keep time.Duration, limit int) (int64, error) {
	tag, err := j.pool.Exec(ctx, deleteOldDrafts, chatID, keep, limit)
	if err != nil {
		return 0, fmt.Errorf("delete old drafts: %w", err)
	}
	return tag.RowsAffected(), nil
}

// ForgetShown deletes the stored prompts of chats. A prompt shows what many people said.
func (j *Journal) ForgetShown(ctx context.Context, chats []int64) error {
	if _, err := j.pool.Exec(ctx, forgetShown, chats); err != nil {
		return fmt.Errorf("forget what models were shown: %w", err)
	}
	return nil
}

// draftRows holds drafts column by column, for unnest.
type draftRows struct {
	chats, turns []int64
	prompts      []*string
	drafts       []string
}

func (r *draftRows) add(chat, turn int64, d *Drafts) error {
	all := make([]Draft, len(d.Drafts))
	for i, draft := range d.Drafts {
		draft.Text, draft.Reason, draft.Found = storable(draft.Text, maxDraft), storable(draft.Reason, maxDraft), storable(draft.Found, maxDraft)
		all[i] = draft
	}
	drafts, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encode drafts: %w", err)
	}
	var prompt *string
	if len(d.Prompt) > 0 {
		shown := make([]Asked, len(d.Prompt))
		for i, m := range d.Prompt {
			shown[i] = Asked{m.Role, storable(m.Text, maxShown)}
		}
		encoded, err := json.Marshal(shown)
		if err != nil {
			return fmt.Errorf("encode a prompt: %w", err)
		}
		text := string(encoded)
		prompt = &text
	}
	r.chats, r.turns = append(r.chats, chat), append(r.turns, turn)
	r.prompts, r.drafts = append(r.prompts, prompt), append(r.drafts, string(drafts))
	return nil
}

// storable makes a model's text valid for jsonb and cuts it to maxBytes.
func storable(s string, maxBytes int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", " ")
	if len(s) <= maxBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxBytes-len("…")], "") + "…"
}
