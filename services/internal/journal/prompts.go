package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// Prompt is a person's message that asks for an answer.
type Prompt struct {
	ChatID  int64
	Message int64 // Chorus' number of the message
	// Person is the sender's Telegram id: negative if they wrote as a chat, 0 if unknown.
	Person int64
	// AddressedBots are the bots of this installation that the message names or answers.
	AddressedBots []int64
	// HappenedAt is the time of writing, HeardAt the time of the update's arrival, both by
	// the database's clock.
	HappenedAt, HeardAt time.Time

	fence    int64
	attempts int
}

// Chat returns the prompt's chat.
func (p *Prompt) Chat() int64 { return p.ChatID }

// Attempts returns how often answering the prompt has failed.
func (p *Prompt) Attempts() int { return p.attempts }

// Trace returns nothing: people's messages have no trace context.
func (*Prompt) Trace() string { return "" }

// Answered is the result of a prompt. It is empty, because the answer's turn is stored
// before.
type Answered struct{}

// Prompts is the queue of prompts.
type Prompts struct {
	journal *Journal
	claims  Claims
}

var _ stage.Rows[*Prompt, Answered] = (*Prompts)(nil)

// Prompts returns the queue of prompts for one process.
func (j *Journal) Prompts(c Claims) *Prompts { return &Prompts{j, c} }

const (
	insertPrompt = `-- write a prompt
INSERT INTO prompts (chat_id, message, person_id, addressed_bots, happened_at, heard_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING`

	claimPrompt   = `owner = $1, fence = p.fence + 1, claimed_until = now() + $2::interval`
	nextPrompt    = `SELECT chat_id, message FROM prompts x WHERE x.chat_id = `
	freePrompt    = ` AND p.owner IS NULL AND (p.not_before IS NULL OR p.not_before <= now())`
	claimedPrompt = `p.chat_id, p.message, p.person_id, p.addressed_bots, p.happened_at, p.heard_at, p.fence, p.attempts`

	claimPrompts = `-- claim prompts
UPDATE prompts p SET ` + claimPrompt + `
FROM unnest($3::bigint[]) AS r(chat_id) CROSS JOIN LATERAL (` + nextPrompt + `r.chat_id ORDER BY message LIMIT 1) h
WHERE p.chat_id = h.chat_id AND p.message = h.message` + freePrompt + `
RETURNING ` + claimedPrompt

	commitPrompts = `-- end prompts
WITH done AS (
    DELETE FROM prompts p USING unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bool[]) AS i(chat_id, message, fence, last)
    WHERE p.chat_id = i.chat_id AND p.message = i.message AND p.fence = i.fence AND p.owner = $1
    RETURNING i.*)
UPDATE prompts p SET ` + claimPrompt + `
FROM done CROSS JOIN LATERAL (` + nextPrompt + `done.chat_id AND x.message > done.message ORDER BY message LIMIT 1) h
WHERE p.chat_id = h.chat_id AND p.message = h.message AND NOT done.last` + freePrompt + `
RETURNING ` + claimedPrompt

	deferPrompt = `-- defer a prompt
UPDATE prompts SET owner = NULL, claimed_until = NULL, not_before = $5, attempts = attempts + $6::int
WHERE chat_id = $1 AND message = $2 AND fence = $3 AND owner = $4`

	dropPrompt = `-- drop a prompt
DELETE FROM prompts WHERE chat_id = $1 AND message = $2 AND fence = $3`

	takePrompts = `-- take prompts over
WITH claimed AS MATERIALIZED (
    SELECT chat_id, message, owner, fence, claimed_until < now() OR owner = $1 AND ` + forgotten + ` AS over
    FROM prompts WHERE owner IS NOT NULL AND chat_id <> ALL($4)),
alive AS MATERIALIZED (` + lease.Alive + `),
dead AS MATERIALIZED (
    SELECT * FROM claimed c WHERE over OR ` + died + ` LIMIT $3)
UPDATE prompts p SET ` + claimPrompt + `
FROM dead WHERE p.chat_id = dead.chat_id AND p.message = dead.message AND p.fence = dead.fence AND p.owner = dead.owner
RETURNING ` + claimedPrompt

	duePrompts = `-- due prompts
SELECT array(SELECT chat_id FROM (
        SELECT DISTINCT ON (chat_id) chat_id, owner, coalesce(not_before, heard_at + interval '2 seconds') AS due
        FROM prompts ORDER BY chat_id, message) h
    WHERE owner IS NULL AND due <= now() LIMIT $1), count(*), coalesce(now() - min(heard_at), '0') FROM prompts`
)

// AddPrompt stores a prompt in the transaction that stores its message. After the commit,
// the caller rings for the chat.
func (*Journal) AddPrompt(ctx context.Context, tx pgx.Tx, p *Prompt) error {
	if _, err := tx.Exec(ctx, insertPrompt, p.ChatID, p.Message, p.Person, p.AddressedBots, p.HappenedAt, p.HeardAt); err != nil {
		return fmt.Errorf("write down a prompt: %w", err)
	}
	return nil
}

// Claim implements stage.Rows.
func (p *Prompts) Claim(ctx context.Context, chats []int64) ([]*Prompt, error) {
	return p.query(ctx, "claim prompts", claimPrompts, p.claims.Owner, p.claims.Lease, sorted(chats))
}

// Commit implements stage.Rows.
func (p *Prompts) Commit(ctx context.Context, ends []stage.End[*Prompt, Answered]) ([]*Prompt, error) {
	n := len(ends)
	chats, messages, fences, last := make([]int64, n), make([]int64, n), make([]int64, n), make([]bool, n)
	for i, e := range ends {
		chats[i], messages[i], fences[i], last[i] = e.Task.ChatID, e.Task.Message, e.Task.fence, e.Last
	}
	return p.query(ctx, "end prompts", commitPrompts, p.claims.Owner, p.claims.Lease, chats, messages, fences, last)
}

// Defer implements stage.Rows.
func (p *Prompts) Defer(ctx context.Context, prompt *Prompt, until time.Time, failures int) error {
	return p.journal.giveBack(ctx, "a prompt", deferPrompt, prompt.ChatID, prompt.Message, prompt.fence, p.claims.Owner, instant(until), failures)
}

// DeadLetter implements stage.Rows. It deletes the prompt: there is no turn to replay.
func (p *Prompts) DeadLetter(ctx context.Context, prompt *Prompt, _ string) error {
	if _, err := p.journal.pool.Exec(ctx, dropPrompt, prompt.ChatID, prompt.Message, prompt.fence); err != nil {
		return fmt.Errorf("drop a prompt: %w", err)
	}
	return nil
}

// Sweep implements stage.Rows.
func (p *Prompts) Sweep(ctx context.Context, limit int, mine []int64) (s stage.Swept[*Prompt], err error) {
	if err := p.journal.pool.QueryRow(ctx, duePrompts, limit).Scan(&s.Due, &s.Open, &s.Oldest); err != nil {
		return s, fmt.Errorf("look for prompts that wait: %w", err)
	}
	if s.Open == 0 {
		return s, nil
	}
	s.Taken, err = p.query(ctx, "take prompts over", takePrompts, p.claims.Owner, p.claims.Lease, limit, mine)
	return s, err
}

func (p *Prompts) query(ctx context.Context, what, sql string, args ...any) ([]*Prompt, error) {
	return claimed(ctx, p.journal, what, func(row pgx.CollectableRow) (*Prompt, error) {
		var p Prompt
		return &p, row.Scan(&p.ChatID, &p.Message, &p.Person, &p.AddressedBots, &p.HappenedAt, &p.HeardAt, &p.fence, &p.attempts)
	}, sql, args...)
}
