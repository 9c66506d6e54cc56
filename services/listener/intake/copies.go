package intake

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/maypok86/otter/v2"

	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// Telegram sends each message to every bot of the chat, at the same time. In a supergroup
// all bots see the same message id, so a message that another bot of this process has
// written needs no look-up in the database. This is the case for nearly all updates of all
// bots but one.

// copies remembers which messages of supergroups are written. It is safe for concurrent
// use.
type copies struct {
	// written holds "chat id/message id", both Telegram's.
	written *otter.Cache[string, struct{}]
	// A writer holds the lock of the chat, so that the others find the message written.
	// Chats with the same lock wait for each other, which is harmless.
	locks [256]sync.Mutex
}

// maxWritten limits the remembered messages. Copies arrive within moments, or after an
// outage.
const maxWritten = 50_000

func newCopies() (*copies, error) {
	written, err := otter.New(&otter.Options[string, struct{}]{MaximumSize: maxWritten})
	if err != nil {
		return nil, fmt.Errorf("keep what was heard: %w", err)
	}
	return &copies{written: written}, nil
}

func nameOf(u *incoming.Update) string {
	return strconv.FormatInt(u.Chat.ID, 10) + "/" + strconv.FormatInt(u.MessageID, 10)
}

func shared(u *incoming.Update) bool { return u.Kind == incoming.Message && u.Chat.Supergroup }

// lock locks the chats of the updates, in one order for all, so that no two callers
// deadlock.
func (c *copies) lock(updates []incoming.Update) (unlock func()) {
	var all []int
	for i := range updates {
		if shared(&updates[i]) {
			all = append(all, int(uint64(updates[i].Chat.ID)%uint64(len(c.locks)))) //nolint:gosec // any bits will do
		}
	}
	all = distinct(all)
	for _, i := range all {
		c.locks[i].Lock()
	}
	return func() {
		for _, i := range all {
			c.locks[i].Unlock()
		}
	}
}

// drop removes known copies from the updates. left keeps the order, and at holds the index
// in updates of each.
func (c *copies) drop(updates []incoming.Update) (left []incoming.Update, at []int, out Outcome) {
	out.Results = make([]Result, len(updates))
	for i, u := range updates {
		if _, known := c.written.GetIfPresent(nameOf(&u)); known && shared(&updates[i]) {
			out.Results[i] = Copy
			continue
		}
		left, at = append(left, u), append(at, i)
	}
	return left, at, out
}

// keep remembers the messages that were written now, or were found written.
func (c *copies) keep(updates []incoming.Update, results []Result, chatOf func(*incoming.Update) *chat) {
	for i, r := range results {
		u := &updates[i]
		if !shared(u) || r != Written && r != Copy {
			continue
		}
		if chat := chatOf(u); chat != nil && chat.supergroup && chat.telegramID == u.Chat.ID {
			c.written.Set(nameOf(u), struct{}{})
		}
	}
}
