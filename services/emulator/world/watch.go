package world

import "context"

const watchBuffer = 256

// Change is something people would see happen.
type Change struct {
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
	changes := make(chan Change, watchBuffer)

	w.mu.Lock()
	w.watchers[changes] = struct{}{}
	w.mu.Unlock()

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
		case len(w.watchers) > 0:
			w.showChange(ev)
		}
	}
}

func (w *World) showChange(ev event) {
	switch {
	case ev.Message != nil:
		w.publishPost("message", ev.Message.Chat, ev.Message.Message.Seq)
	case ev.Edit != nil:
		w.publishPost("edit", ev.Edit.Chat, ev.Edit.Seq)
	case ev.React != nil:
		w.publishPost("reaction", ev.React.Chat, ev.React.Seq)
	case ev.Delete != nil:
		w.publish(Change{Kind: "delete", Chat: ev.Delete.Chat, Seq: ev.Delete.Seq})
	case ev.Chat != nil:
		w.publish(Change{Kind: "chat", Chat: ev.Chat.ID})
	case ev.Member != nil:
		w.publish(Change{Kind: "chat", Chat: ev.Member.Chat})
	}
}

func (w *World) publishPost(kind string, chatID, seq int64) {
	if p := w.postOf(chatID, seq); p != nil {
		shown := w.show(w.state.Chats[chatID], p)
		w.publish(Change{Kind: kind, Chat: chatID, Seq: seq, Post: &shown})
	}
}
