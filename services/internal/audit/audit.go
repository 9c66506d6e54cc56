// Package audit records who did what to an installation: in the console, by the API, in Telegram
// and by commands. An entry is written before the act, so that no act goes unrecorded, and gets its
// result once. Otherwise entries never change and are never deleted: the database refuses both.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Entry is an act.
type Entry struct {
	ID int64     `json:"id"`
	At time.Time `json:"at"`
	// Actor is the person, Origin the address or the command's host. Via is console, api, mcp,
	// command or telegram.
	Actor  string `json:"actor"`
	Origin string `json:"origin"`
	Via    string `json:"via"`
	// Operation is the act, Object its object, such as "chat book-club".
	Operation string `json:"operation"`
	Object    string `json:"object,omitempty"`
	// Input is the request; Before and After show what the act changed. Each is JSON, or nil, and
	// must not contain a secret.
	Input  json.RawMessage `json:"input,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	// Result is "done" or the error; empty while unknown.
	Result string `json:"result,omitempty"`
}

// Done is the result of a successful act.
const Done = "done"

const (
	begin = `-- audit: begin
INSERT INTO audit_log (actor, origin, via, operation, object, input) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`
	end = `-- audit: end
UPDATE audit_log SET object = coalesce(nullif($2, ''), object), before = $3, after = $4, result = $5 WHERE id = $1 AND result IS NULL`
	list = `-- audit: list
SELECT id, at, actor, origin, via, operation, object, input, before, after, coalesce(result, '')
FROM audit_log WHERE at >= $1 AND (at, id) < ($2, $3)
    AND ($4 = '' OR strpos(lower(actor || E'\n' || operation || E'\n' || object), lower($4)) > 0)
ORDER BY at DESC, id DESC LIMIT $5`
)

// Log writes entries.
type Log struct{ Pool *pgxpool.Pool }

// ErrUntold reports that an act is done but its entry has no result.
var ErrUntold = errors.New("it is done, but the audit log can't be told")

// Do writes an entry, acts, and writes the result. The act may fill in the entry's object, before
// and after by Note. If the entry can't be written, Do doesn't act; if the result can't, it returns
// ErrUntold.
func (l Log) Do(ctx context.Context, e *Entry, act func(context.Context) error) error {
	err := l.Pool.QueryRow(ctx, begin, e.Actor, e.Origin, e.Via, e.Operation, e.Object, e.Input).Scan(&e.ID)
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	failed := act(context.WithValue(ctx, key{}, e))
	e.Result = Done
	if failed != nil {
		e.Result = failed.Error()
	}
	// The result must be written even if the caller's request is cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	if _, err := l.Pool.Exec(ctx, end, e.ID, e.Object, e.Before, e.After, e.Result); err != nil && failed == nil {
		return fmt.Errorf("%w: %w", ErrUntold, err)
	}
	return failed
}

type key struct{}

// Note sets the object of the current act, and what it changes, as JSON; nil for nothing. It has no
// effect outside of Do.
func Note(ctx context.Context, object string, before, after any) {
	e, _ := ctx.Value(key{}).(*Entry)
	if e == nil {
		return
	}
	e.Object, e.Before, e.After = object, raw(before), raw(after)
}

func raw(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}

// Search selects entries.
type Search struct {
	// Since and Until limit the time; no entry outside is read. Until is exclusive; zero means now.
	Since, Until time.Time
	// Before continues after an entry, the last of a page, whose time must be Until; 0 starts with
	// the newest.
	Before int64
	// Text must occur in the actor, operation or object; empty matches all.
	Text string
}

// After returns the search for the page after an entry.
func (s Search) After(e *Entry) Search {
	s.Until, s.Before = e.At, e.ID
	return s
}

// Find returns at most limit entries, the newest first.
func (l Log) Find(ctx context.Context, s Search, limit int) ([]Entry, error) {
	until := s.Until
	if until.IsZero() {
		until = time.Now().Add(time.Hour) // the database's clock may be ahead of ours
	}
	return store.Collect(ctx, l.Pool, "read the audit log", pgx.RowToStructByPos[Entry], list, s.Since, until, s.Before, s.Text, limit)
}
