package world

import (
	"context"
)

const watchBuffer = 256

// Change is something people would see happen.
type Change struct {
	// Revision numbers the changes since Open; 0 for typing, which nobody
	// needs to catch up with.
	Revision uint64
	// Kind is message, edit, delete, reaction, typing or chat.
	Kind    string
	Chat    int64
	Seq     int64    // the message's number in the chat
	Post    *Post    // the message as it is now, except for delete
	Account *Account // who is typing
}

// Watch returns what happens from now on. The channel is closed when ctx ends,
// when the world is closed, or when the reader falls behind.
func (w *World) Watch(ctx context.Context) <-chan Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.watch(ctx, nil)
}

// watch returns a channel that begins with past.
func (w *World) watch(ctx context.Context, past []Change) <-chan Change {
	changes := make(chan Change, watchBuffer+len(past))
	for _, change := range past {
		changes <- change
	}
	w.watchers[changes] = struct{}{}
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.unwatch(changes)
	})
	return changes
}

func (w *World) unwatch(changes chan Change) {
	if _, ok := w.watchers[changes]; ok {
		delete(w.watchers, changes)
		close(changes)
	}
}

func (w *World) publish(change Change) {
	for watcher := range w.watchers {
		select {
		case watcher <- change:
		default:
			w.unwatch(watcher)
		}
	}
}

// announce tells watchers, pollers and the deliverer of webhooks.
func (w *World) announce(e entry) {
	for _, ev := range e.Events {
		switch {
		case ev.Queue != nil:
			w.wakeBot(ev.Queue.Bot)
		case ev.Webhook != nil:
			w.wakeBot(ev.Webhook.Bot)
			close(w.hooks)
			w.hooks = make(chan struct{})
		default:
			w.showChange(ev)
		}
	}
}

func (w *World) showChange(ev event) {
	switch {
	case ev.Message != nil:
		w.happened(Change{Kind: "message", Chat: ev.Message.Chat, Seq: ev.Message.Message.Seq})
	case ev.Edit != nil:
		w.happened(Change{Kind: "edit", Chat: ev.Edit.Chat, Seq: ev.Edit.Seq})
	case ev.React != nil:
		w.happened(Change{Kind: "reaction", Chat: ev.React.Chat, Seq: ev.React.Seq})
	case ev.Delete != nil:
		w.happened(Change{Kind: "delete", Chat: ev.Delete.Chat, Seq: ev.Delete.Seq})
	case ev.Chat != nil:
		w.happened(Change{Kind: "chat", Chat: ev.Chat.ID})
	case ev.Member != nil:
		w.happened(Change{Kind: "chat", Chat: ev.Member.Chat})
	}
}

// maxRecent is the number of changes that a reader can miss and still catch up.
const maxRecent = 4096

// recent numbers the changes since Open and holds the latest of them, without their posts: a
// reader that catches up wants the messages as they are now.
type recent struct {
	revision uint64   // of the latest change
	changes  []Change // a ring: a change is at its revision modulo maxRecent
}

func (r *recent) add(change *Change) {
	r.revision++
	change.Revision = r.revision
	if r.changes == nil {
		r.changes = make([]Change, maxRecent)
	}
	r.changes[r.revision%maxRecent] = *change
}

// after returns the changes after a revision; false if they are forgotten, or
// if there is no such revision yet.
func (r *recent) after(revision uint64) ([]Change, bool) {
	if revision > r.revision || r.revision-revision > maxRecent {
		return nil, false
	}
	changes := make([]Change, 0, r.revision-revision)
	for next := revision + 1; next <= r.revision; next++ {
		changes = append(changes, r.changes[next%maxRecent])
	}
	return changes, true
}

// Revision is the number of the latest change.
func (w *World) Revision() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.recent.revision
}

// WatchFrom is Watch for a reader that knows the changes up to a revision of
// this process. The channel begins with those after it, in order, each message
// as it is now; messages that are gone since are left out, and their deletion
// follows. It reports false where too much happened since: then the channel has
// only what happens from now on, and the reader must look at everything anew.
func (w *World) WatchFrom(ctx context.Context, revision uint64) (<-chan Change, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	missed, ok := w.recent.after(revision)
	past := missed[:0]
	for _, change := range missed {
		if w.fill(&change) {
			past = append(past, change)
		}
	}
	return w.watch(ctx, past), ok
}

// happened numbers a change and shows it to the watchers.
func (w *World) happened(change Change) {
	w.recent.add(&change)
	if len(w.watchers) > 0 && w.fill(&change) {
		w.publish(change)
	}
}

// fill adds the message that a change is about; false if it is gone.
func (w *World) fill(change *Change) bool {
	if change.Seq == 0 || change.Kind == "delete" {
		return true
	}
	p := w.postOf(change.Chat, change.Seq)
	if p == nil {
		return false
	}
	shown := w.show(w.state.Chats[change.Chat], p)
	change.Post = &shown
	return true
}
