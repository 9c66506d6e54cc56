// Package approve is the part of the console where people look at texts before they are
// sent: they send, edit or discard them, or have them written again.
package approve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/direct"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
)

// Text is one that waits for a person.
type Text struct {
	Chat      int64     `json:"chat_id"`
	ChatTitle string    `json:"chat"`
	Number    int64     `json:"turn"`
	Version   int64     `json:"version" doc:"what a decision has to name: it changes when somebody decides"`
	Bot       string    `json:"bot"`
	Topic     string    `json:"topic,omitempty"`
	Parts     []string  `json:"parts" doc:"the messages that it is sent as"`
	Author    string    `json:"answered_author,omitempty"`
	Answered  string    `json:"answered,omitempty" doc:"the message that it answers"`
	Since     time.Time `json:"since"`
	Expires   time.Time `json:"expires_at" doc:"when it is dropped unless somebody decides"`
	Note      string    `json:"note,omitempty" doc:"with which it was last written again"`
	NotedBy   string    `json:"noted_by,omitempty"`
	Before    []string  `json:"before,omitempty" doc:"the messages as they were before that"`
	ETag      string    `json:"etag" doc:"for If-Match, when somebody decides" db:"-"`
}

// Queue is a page of what waits, the oldest first.
type Queue struct {
	Texts []Text `json:"texts"`
	Next  string `json:"next,omitempty" doc:"after, for the next page; empty on the last"`
}

type (
	queueQuery struct {
		After string `query:"after" maxLength:"80" doc:"next of the page before"`
	}
	queueAnswer struct{ Body Queue }
	// TurnInput says which text. It is exported because huma reads no other that is embedded.
	TurnInput struct {
		operation.Seen

		ID     int64 `path:"id" doc:"the chat's number"`
		Number int64 `path:"number" doc:"the turn's number in the chat"`
	}
	decision struct {
		TurnInput

		Body struct {
			Version int64 `json:"version" doc:"of the text that was looked at"`
		}
	}
	editInput struct {
		TurnInput

		Body struct {
			Version int64  `json:"version" doc:"of the text that was looked at"`
			Text    string `json:"text" doc:"what is sent instead, as one message"`
		}
	}
	rewriteInput struct {
		TurnInput

		Body struct {
			Version int64  `json:"version" doc:"of the text that was looked at"`
			Note    string `json:"note" doc:"what to do otherwise, at most 300 characters"`
		}
	}
	none struct{}
)

// Area is that part of the console.
type Area struct {
	pool     *pgxpool.Pool
	pages    *page.Pages
	director *direct.Director

	list    *operation.Of[queueQuery, queueAnswer]
	send    *operation.Of[decision, none]
	edit    *operation.Of[editInput, none]
	discard *operation.Of[decision, none]
	rewrite *operation.Of[rewriteInput, none]
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, pool *pgxpool.Pool, director *direct.Director) *Area {
	a := &Area{pool: pool, pages: pages, director: director}
	act := func(name, summary string) operation.Operation {
		return operation.Operation{
			ID: name + "-text", Method: http.MethodPost, Path: "/approvals/{id}/{number}/" + name, Summary: summary,
			Tag: "approve", Role: access.Director, Changes: true,
		}
	}
	a.list = operation.Add(set, operation.Operation{
		ID: "approvals", Method: http.MethodGet, Path: "/approvals", Tag: "approve", Role: access.Viewer,
		Summary: "The texts that wait for a person, the oldest first",
	}, a.read)
	a.send = operation.Add(set, act("send", "Send a text that waits, as it stands"), a.doSend)
	a.edit = operation.Add(set, act("edit", "Send another text instead of one that waits"), a.doEdit)
	a.discard = operation.Add(set, act("discard", "Discard a text that waits"), a.doDiscard)
	a.rewrite = operation.Add(set, act("rewrite", "Have a text that waits written again, with a note"), a.doRewrite)
	return a
}

const (
	listed = 20

	readQueue = `-- console: texts to approve
SELECT d.chat_id, coalesce(nullif(c.title, ''), c.name), d.turn_no, t.fence, coalesce(p.display_name, b.name, ''), t.topic,
    (SELECT array_agg(coalesce(x.body, '') ORDER BY x.part) FROM deliveries x
        WHERE x.lane = 'held' AND x.chat_id = d.chat_id AND x.turn_no = d.turn_no AND x.closed_at IS NULL),
    coalesce((SELECT display_name FROM personas WHERE bot_id = m.bot_id), (SELECT name FROM people WHERE telegram_id = m.person_id), ''),
    coalesce(m.body, ''), d.created_at, t.expires_at, coalesce(k.note, ''), coalesce(k.by, ''), k.draft
FROM deliveries d JOIN turns t ON t.chat_id = d.chat_id AND t.turn_no = d.turn_no JOIN chats c ON c.id = d.chat_id
LEFT JOIN bots b ON b.id = t.bot_id LEFT JOIN personas p ON p.bot_id = t.bot_id
LEFT JOIN messages m ON m.chat_id = t.chat_id AND m.number = t.target_message
LEFT JOIN LATERAL (SELECT note, by, draft FROM decisions x WHERE x.chat_id = t.chat_id AND x.turn_no = t.turn_no ORDER BY version DESC LIMIT 1) k ON true
WHERE d.lane = 'held' AND d.closed_at IS NULL AND d.part = 1 AND t.expires_at > now() AND (d.created_at, d.chat_id, d.turn_no) > ($1, $2, $3)
ORDER BY d.created_at, d.chat_id, d.turn_no LIMIT $4`
)

// cursor is the place of a text in the queue.
const cursor = "%d.%d.%d"

func (a *Area) read(ctx context.Context, in *queueQuery) (*queueAnswer, error) {
	var at, chat, number int64
	if in.After != "" {
		if _, err := fmt.Sscanf(in.After, cursor, &at, &chat, &number); err != nil {
			return nil, &operation.InvalidError{Field: "after", Value: fmt.Sprintf("%.80q", in.After), Want: "next of a page of texts"}
		}
	}
	found, err := store.Collect(ctx, a.pool, "read texts to approve", pgx.RowToStructByPos[Text], readQueue, time.UnixMicro(at), chat, number, listed+1)
	if err != nil {
		return nil, err
	}
	q := Queue{Texts: found}
	for i := range found {
		found[i].ETag = operation.ETag(found[i].Version)
	}
	if len(found) > listed {
		q.Texts = found[:listed]
		last := &q.Texts[listed-1]
		q.Next = fmt.Sprintf(cursor, last.Since.UnixMicro(), last.Chat, last.Number)
	}
	return &queueAnswer{q}, nil
}

func (a *Area) doSend(ctx context.Context, in *decision) (*none, error) {
	return a.decided(ctx, in.TurnInput, in.Body.Version, nil, func(good time.Duration) error {
		return a.director.Approve(ctx, in.held(ctx, in.Body.Version), good)
	})
}

func (a *Area) doEdit(ctx context.Context, in *editInput) (*none, error) {
	return a.decided(ctx, in.TurnInput, in.Body.Version, in.Body, func(good time.Duration) error {
		return a.director.Edit(ctx, in.held(ctx, in.Body.Version), in.Body.Text, good)
	})
}

func (a *Area) doDiscard(ctx context.Context, in *decision) (*none, error) {
	return a.decided(ctx, in.TurnInput, in.Body.Version, nil, func(time.Duration) error {
		return a.director.Discard(ctx, in.held(ctx, in.Body.Version))
	})
}

func (a *Area) doRewrite(ctx context.Context, in *rewriteInput) (*none, error) {
	return a.decided(ctx, in.TurnInput, in.Body.Version, in.Body, func(good time.Duration) error {
		return a.director.Rewrite(ctx, in.held(ctx, in.Body.Version), in.Body.Note, good)
	})
}

func (in TurnInput) held(ctx context.Context, version int64) journal.Held {
	return journal.Held{Chat: in.ID, Turn: in.Number, Version: version, By: access.From(ctx).Name, Via: access.From(ctx).Via}
}

// decided does what was decided on a turn. What is to be sent or written is good for as
// long as any turn.
func (a *Area) decided(ctx context.Context, of TurnInput, version int64, becomes any, do func(good time.Duration) error) (*none, error) {
	if err := of.Check("the text", version, "another one"); err != nil {
		return nil, err
	}
	values, err := settingspg.Values(ctx, a.pool)
	if err != nil {
		return nil, err
	}
	audit.Note(ctx, fmt.Sprintf("turn %d of chat %d", of.Number, of.ID), nil, becomes)
	err = do(settings.TurnTTL.Of(values, of.ID, 0))
	var wrong *direct.WrongError
	switch {
	case errors.Is(err, journal.ErrDecided) && of.Match != "":
		return nil, &operation.StaleError{What: "the text", Now: "decided on: " + err.Error()}
	case errors.Is(err, journal.ErrDecided):
		return nil, fmt.Errorf("%w: %w", operation.ErrConflict, err)
	case errors.Is(err, direct.ErrNone):
		return nil, fmt.Errorf("%w: %w", operation.ErrNotFound, err)
	case errors.As(err, &wrong):
		return nil, operation.Invalid(err)
	case err != nil:
		return nil, err
	}
	return &none{}, nil
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/approve", a.index)
	r.Post("/approve/{id}/{number}/{act}", a.form)
}
