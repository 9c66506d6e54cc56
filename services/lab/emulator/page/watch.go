package page

import (
	"context"
	"io"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Revision is the number of the latest event.
func (c worldChats) Revision() uint64 { return c.world.Revision() }

// Watch follows the events after a revision until ctx ends.
func (c worldChats) Watch(ctx context.Context, after uint64) (Feed, bool) {
	changes, complete := c.world.WatchFrom(ctx, after)
	return feed(changes), complete
}

// feed is the changes of the world as the page wants them.
type feed <-chan world.Change

// Next waits for an event.
func (f feed) Next(ctx context.Context) (Event, error) {
	select {
	case change, open := <-f:
		if !open {
			return Event{}, io.EOF
		}
		return event(&change), nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

func event(c *world.Change) Event {
	e := Event{Revision: c.Revision, Chat: c.Chat}
	switch c.Kind {
	case "message":
		e.Kind = Said
	case "delete":
		e.Kind, e.MessageID = Deleted, c.Seq
	case "typing":
		e.Kind = Typing
	case "chat":
		e.Kind = Profile
		if c.Chat == 0 { // the world was emptied
			e.Kind = Reset
		}
	default: // edit, reaction
		e.Kind = Changed
	}
	if c.Post != nil {
		shown := message(c.Post)
		e.Message = &shown
	}
	if c.Account != nil {
		typing := member(*c.Account)
		e.Member = &typing
	}
	return e
}
