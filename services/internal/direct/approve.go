package direct

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

const readDisclaimer = `-- direct: disclaimer
SELECT disclaimer FROM chats WHERE id = $1`

// maxNote limits the note for a text that is written again.
const maxNote = 300

// Approve releases a held text unchanged; it may be sent for the time good.
func (d *Director) Approve(ctx context.Context, h journal.Held, good time.Duration) error {
	return d.decided(ctx, h, bus.Messages(), subject.Written, func(ctx context.Context) error {
		return d.Journal.Approve(ctx, h, "", good)
	})
}

// Edit sends another text, with the chat's disclaimer, instead of a held one.
func (d *Director) Edit(ctx context.Context, h journal.Held, text string, good time.Duration) error {
	cleaned := names.Text(text)
	switch {
	case cleaned == "":
		return wrong("text", text, "a text")
	case d.Honest != nil && !d.Honest(cleaned):
		return wrong("text", text, "nothing that makes of a bot a human")
	}
	return d.decided(ctx, h, bus.Messages(), subject.Written, func(ctx context.Context) error {
		var disclaimer string
		err := d.Pool.QueryRow(ctx, readDisclaimer, h.Chat).Scan(&disclaimer)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNone
		}
		if err != nil {
			return fmt.Errorf("read a disclaimer: %w", err)
		}
		whole := Disclaimed(cleaned, disclaimer)
		if n := telegram.TextLength(whole); n > telegram.MaxText {
			return wrong("text", text, fmt.Sprintf("at most %d characters with the chat's disclaimer; it has %d", telegram.MaxText, n))
		}
		return d.Journal.Approve(ctx, h, whole, good)
	})
}

// Discard drops a held text.
func (d *Director) Discard(ctx context.Context, h journal.Held) error {
	return d.decided(ctx, h, bus.Queue{}, subject.Expired, func(ctx context.Context) error {
		return d.Journal.Discard(ctx, h)
	})
}

// Rewrite has a held text written again as the note asks. The new text is held, too.
func (d *Director) Rewrite(ctx context.Context, h journal.Held, note string, good time.Duration) error {
	line := names.Line(names.Text(note), 0)
	if n := len([]rune(line)); n == 0 || n > maxNote {
		return wrong("note", note, fmt.Sprintf("1 to %d characters", maxNote))
	}
	return d.decided(ctx, h, bus.Texts(), subject.Planned, func(ctx context.Context) error {
		return d.Journal.Rewrite(ctx, h, line, good)
	})
}

// decided makes a decision, rings the queue that the turn waits in next, and notifies followers.
func (d *Director) decided(ctx context.Context, h journal.Held, ring bus.Queue, told string, decide func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	if err := decide(ctx); err != nil {
		return err
	}
	if d.Bus == nil {
		return nil
	}
	if ring != (bus.Queue{}) {
		d.Bus.Ring(ring, h.Chat)
	}
	event := &chorusv1.Event{Turns: []*chorusv1.TurnId{{ChatId: h.Chat, Number: h.Turn}}}
	d.Bus.Tell(told, event)
	d.Bus.Tell(subject.Held, event)
	return nil
}
