package world

import "context"

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
