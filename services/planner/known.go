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
	// is most of what a look at it costs. What was edited or erased meanwhile is seen then,
	// and what others counted of a bot; its limit is kept by the statement that counts.
	keptFor = time.Minute
	// unnumbered is how much lower than the highest number that was seen one may be that
	// could not be seen yet: all chats' messages get theirs from one sequence, before they
	// are committed. Those that are later than that are missed for keptFor.
	unnumbered = 1000
	// maxKept bounds for how many chats it is kept, each some 10 KB.
	maxKept = 5000
)

// known is what is known of a chat. It is never changed once it is kept.
type known struct {
	place
	messages []decide.Message // the oldest first; names of bots are of the last look
	read     time.Time        // when all of it was
	due      time.Time        // when the chat is
}

// after is the number up to which messages are known.
func (k *known) after() (n int64) {
	for i := range k.messages {
		n = max(n, k.messages[i].Number)
	}
	return max(n-unnumbered, 0)
}

// add adds the messages that were read after those, the newest first.
func (k *known) add(read []decide.Message) {
	after := k.after()
	all := make([]decide.Message, 0, len(k.messages)+len(read))
	for i := range k.messages {
		if k.messages[i].Number <= after {
			all = append(all, k.messages[i])
		}
	}
	for _, m := range slices.Backward(read) {
		at := len(all)
		for at > 0 && cmp.Or(m.At.Compare(all[at-1].At), cmp.Compare(m.Number, all[at-1].Number)) < 0 {
			at--
		}
		all = slices.Insert(all, at, m)
	}
	for len(all) > maxRecent {
		first := 0
		for i := range all {
			if all[i].Number < all[first].Number {
				first = i
			}
		}
		all = slices.Delete(all, first, first+1)
	}
	k.messages = all
}

// memory is what is known of chats that this process looks at again soon. Another may come
// to a chat first: what it plans there is added to what is known as anything else is.
type memory struct {
	mu sync.Mutex
	of map[int64]*known
	// seen is the database's snapshot as of which all places are right: each look tells
	// whether chats or casts have changed since. It has the era of the last such change.
	seen   string
	era    int
	pruned time.Time
}

// view is what is known before a look. The zero view is nothing.
type view struct {
	of   map[int64]*known
	seen string
	era  int
}

// due is what is known of so many chats that are due, the first ones.
func (m *memory) due(now time.Time, n int) view {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prune(now)
	var ids []int64
	for id, k := range m.of {
		if !k.due.After(now) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int { return m.of[a].due.Compare(m.of[b].due) })
	return m.view(ids[:min(n, len(ids))])
}

// about is what is known of some chats.
func (m *memory) about(now time.Time, ids []int64) view {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prune(now)
	return m.view(ids)
}

func (m *memory) view(ids []int64) view {
	v := view{of: make(map[int64]*known, len(ids)), seen: m.seen, era: m.era}
	for _, id := range ids {
		if k := m.of[id]; k != nil {
			v.of[id] = k
		}
	}
	return v
}

// prune forgets what was read long ago.
func (m *memory) prune(now time.Time) {
	if now.Sub(m.pruned) < time.Second {
		return
	}
	m.pruned = now
	for id, k := range m.of {
		if now.Sub(k.read) >= keptFor {
			delete(m.of, id)
		}
	}
}

// keep keeps what is known of chats after a look, until they are due next, and forgets
// those of the view that another process was faster to look at.
func (m *memory) keep(before view, chats []*row, done *plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case chats[0].Changed:
		m.of, m.era = map[int64]*known{}, m.era+1
	case m.era != before.era:
		return // what it read may have changed before another look saw that
	}
	m.seen = chats[0].Snapshot
	var last time.Time
	for _, r := range chats {
		delete(m.of, r.ID)
		if r.Due.After(last) {
			last = r.Due
		}
	}
	for id, k := range before.of {
		if m.of[id] == k && !k.due.After(last) {
			delete(m.of, id)
		}
	}
	for i, r := range chats {
		k := r.known
		k.due = done.next[i]
		// In a basic group bots come to know of messages that were read before. That a bot is
		// tried no more, or that its persona was recalled, is in no log.
		if r.Basic || slices.Contains(r.Tried, true) || slices.Contains(done.recalledIn, r.ID) || slices.Contains(done.still, r.ID) ||
			len(m.of) >= maxKept || k.due.Sub(k.read) >= keptFor {
			continue
		}
		m.of[r.ID] = &k
	}
}
