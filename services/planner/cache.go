package planner

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

const (
	// maxRecent limits the messages of a chat that decisions see: those with the highest
	// numbers.
	maxRecent = 50
	// cacheTTL is the lifetime of a cached chat. Reading all of a chat was the largest part
	// of a batch's cost, so for this time only new messages are read. Edits, erasures and
	// other planners' counts of a bot are seen after at most this time. A bot's limit is
	// exact nevertheless, because the statement that counts checks it.
	cacheTTL = time.Minute
	// numberGap is the number of message numbers that are read again below the highest one
	// seen. All chats take numbers from one sequence before the commit, so a lower number
	// may become visible later. A message with an even lower number is missed for cacheTTL.
	numberGap = 1000
	// maxCached limits the cached chats. Each needs about 10 KB.
	maxCached = 5000
)

// cachedChat holds what was read of a chat. It is never changed after it is stored in the
// cache.
type cachedChat struct {
	place
	messages []decide.Message // the oldest first; with the bots' names as of the last read
	read     time.Time        // the time of the last full read
	due      time.Time        // the time of the chat's next turn
}

// after returns the number up to which all messages are cached.
func (k *cachedChat) after() (n int64) {
	for i := range k.messages {
		n = max(n, k.messages[i].Number)
	}
	return max(n-numberGap, 0)
}

// add adds messages that were read after the cached ones; read has the newest first.
func (k *cachedChat) add(read []decide.Message) {
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

// chatCache caches chats that this process reads again soon. Another planner may plan in
// such a chat; its turns are read like all new messages.
type chatCache struct {
	mu sync.Mutex
	of map[int64]*cachedChat
	// seen is the snapshot as of which all cached places are right. Each read tells whether
	// chats or casts have changed since. era counts these changes.
	seen   string
	era    int
	pruned time.Time
}

// view is the part of the cache that one read uses. The zero view is empty.
type view struct {
	of   map[int64]*cachedChat
	seen string
	era  int
}

// due returns the cached chats that are due, at most n, the first ones.
func (m *chatCache) due(now time.Time, n int) view {
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

// about returns the cached chats among ids.
func (m *chatCache) about(now time.Time, ids []int64) view {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prune(now)
	return m.view(ids)
}

func (m *chatCache) view(ids []int64) view {
	v := view{of: make(map[int64]*cachedChat, len(ids)), seen: m.seen, era: m.era}
	for _, id := range ids {
		if k := m.of[id]; k != nil {
			v.of[id] = k
		}
	}
	return v
}

// prune removes chats that were read longer than cacheTTL ago.
func (m *chatCache) prune(now time.Time) {
	if now.Sub(m.pruned) < time.Second {
		return
	}
	m.pruned = now
	for id, k := range m.of {
		if now.Sub(k.read) >= cacheTTL {
			delete(m.of, id)
		}
	}
}

// keep stores chats after a read. It removes those of the view that were due and not read,
// because another process was faster.
func (m *chatCache) keep(before view, chats []*row, done *plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case chats[0].Changed:
		m.of, m.era = map[int64]*cachedChat{}, m.era+1
	case m.era != before.era:
		return // a concurrent read saw a change that this one may have missed
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
		k := r.cached
		k.due = done.next[i]
		// In a basic group bots get ids of messages that were read before. The log of
		// changes contains neither the end of a bot's trial nor a recalled persona. So
		// these chats are not cached.
		if r.Basic || slices.Contains(r.Tried, true) || slices.Contains(done.recalledIn, r.ID) || slices.Contains(done.still, r.ID) ||
			len(m.of) >= maxCached || k.due.Sub(k.read) >= cacheTTL {
			continue
		}
		m.of[r.ID] = &k
	}
}
