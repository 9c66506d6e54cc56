package planner

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

const (
	// maxRecent is how many messages of a chat are looked at, those heard last.
	maxRecent = 50
	// keptFor is how long what was read of a chat is added to instead of read anew, which
	// is most of what a look at it costs. What was edited or erased meanwhile is seen then.
	keptFor = time.Minute
	// unnumbered is how much lower than the highest number that was seen one may be that
	// could not be seen yet: all chats' messages get theirs from one sequence, before they
	// are committed. Those that are later than that are missed for keptFor.
	unnumbered = 1000
	// maxKept bounds for how many chats it is kept, each some 10 KB.
	maxKept = 5000
)

// talk is what was said last in a chat. It is never changed. Nil is nothing.
type talk struct {
	messages []decide.Message // the oldest first, without the names of bots
	read     time.Time        // when all of it was
	due      time.Time        // when the chat is
}

func (t *talk) said() []decide.Message {
	if t == nil {
		return nil
	}
	return t.messages
}

// after is the number up to which messages are known.
func (t *talk) after() (n int64) {
	for i := range t.said() {
		n = max(n, t.messages[i].Number)
	}
	return max(n-unnumbered, 0)
}

// with is the talk with the messages that were read after it.
func (t *talk) with(read []decide.Message, now time.Time) *talk {
	all := &talk{messages: read, read: now}
	if t != nil {
		after := t.after()
		all.read = t.read
		for _, m := range t.messages {
			if m.Number <= after {
				all.messages = append(all.messages, m)
			}
		}
	}
	slices.SortFunc(all.messages, func(a, b decide.Message) int { return cmp.Compare(b.Number, a.Number) })
	all.messages = all.messages[:min(len(all.messages), maxRecent)]
	slices.SortFunc(all.messages, func(a, b decide.Message) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Number, b.Number)) })
	return all
}

// talks are those of chats that this process looks at again soon. Another may come to a
// chat first: what it plans there is added to what is known as anything else is.
type talks struct {
	mu sync.Mutex
	of map[int64]*talk
}

// due are the talks of so many chats that are due, the first ones.
func (t *talks) due(now time.Time, n int) map[int64]*talk {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []int64
	for id, k := range t.of {
		switch {
		case now.Sub(k.read) >= keptFor:
			delete(t.of, id)
		case !k.due.After(now):
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int { return t.of[a].due.Compare(t.of[b].due) })
	due := map[int64]*talk{}
	for _, id := range ids[:min(n, len(ids))] {
		due[id] = t.of[id]
	}
	return due
}

// keep keeps what was said in chats until they are due next, and forgets those of the
// known that another process was faster to look at.
func (t *talks) keep(known map[int64]*talk, chats []*row, next []time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last time.Time
	for _, r := range chats {
		if r.Due.After(last) {
			last = r.Due
		}
	}
	for id, k := range known {
		if t.of[id] == k && !k.due.After(last) {
			delete(t.of, id)
		}
	}
	for i, r := range chats {
		k := cmp.Or(r.talk, known[r.ID])
		// In a basic group bots come to know of messages that were read before.
		if k == nil || r.Basic || len(t.of) >= maxKept || next[i].Sub(k.read) >= keptFor {
			continue
		}
		t.of[r.ID] = &talk{messages: k.messages, read: k.read, due: next[i]}
	}
}
