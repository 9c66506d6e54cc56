package intake

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/maypok86/otter/v2"

	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// Every bot of a cast is told of every message, at the same instant. In a
// supergroup all call it by one id, so what another bot of this process has told of
// need not be looked up in the database: of most bots that is nearly all.

// copies knows which messages of supergroups are written down. It is safe for
// concurrent use.
type copies struct {
	// written are messages, by Telegram's ids of them and their chats.
	written *otter.Cache[string, struct{}]
	// Who writes what was said in a chat holds its lock, so that the others find it
	// written. Chats that share a lock wait for one another, and nothing worse.
	locks [256]sync.Mutex
}

// maxWritten is how many messages are known. Copies come within moments, or after
// an outage.
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

// lock takes the locks of the updates' chats, in an order in which no two wait for
// each other.
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

// drop takes the copies out of updates. What is left is in its order, and at says
// where it was.
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

// keep knows from now on what was written, or found written.
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
