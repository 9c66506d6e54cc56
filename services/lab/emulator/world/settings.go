package world

import (
	"encoding/json"
	"slices"
	"time"
)

// Webhook configures the delivery of a bot's updates.
type Webhook struct {
	URL            string `json:"url"`
	Secret         string `json:"secret,omitempty"`
	MaxConnections int    `json:"max_connections,omitempty"`

	// The last failure is not stored: after a restart the next one tells.
	LastError   string    `json:"-"`
	LastErrorAt time.Time `json:"-"`
}

// SetWebhook sets where updates go; nil: they wait for getUpdates. drop
// forgets the updates that wait.
func (w *World) SetWebhook(botID int64, hook *Webhook, drop bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.bot(botID); err != nil {
		return err
	}
	return w.commit(nil, event{Webhook: &hooked{Bot: botID, Webhook: hook, Drop: drop}})
}

// WebhookOf returns a bot's webhook and the kinds of update it wants.
func (w *World) WebhookOf(botID int64) (*Webhook, []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot := w.state.Accounts[botID]
	if bot == nil || bot.Webhook == nil {
		return nil, nil
	}
	hook := *bot.Webhook
	return &hook, bot.Allowed
}

// WebhookFailed notes why the last delivery to a webhook failed.
func (w *World) WebhookFailed(botID int64, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bot := w.state.Accounts[botID]; bot != nil && bot.Webhook != nil {
		next := *bot.Webhook
		next.LastError, next.LastErrorAt = reason, w.cfg.Now()
		bot.Webhook = &next
	}
}

// Webhooks returns the bots that have one, and a channel that is closed when
// that changes.
func (w *World) Webhooks() (map[int64]Webhook, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	hooks := map[int64]Webhook{}
	for id, a := range w.state.Accounts {
		if a.Webhook != nil {
			hooks[id] = Webhook{URL: a.Webhook.URL, Secret: a.Webhook.Secret, MaxConnections: a.Webhook.MaxConnections}
		}
	}
	return hooks, w.hooks
}

// SetCommands stores a bot's menu of commands for a scope; nil removes it.
func (w *World) SetCommands(botID int64, scope string, menu json.RawMessage) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.bot(botID); err != nil {
		return err
	}
	return w.commit(nil, event{Commands: &commands{Bot: botID, Scope: scope, List: menu}})
}

// Commands returns a bot's menu of commands for a scope.
func (w *World) Commands(botID int64, scope string) json.RawMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bot := w.state.Accounts[botID]; bot != nil {
		return bot.Commands[scope]
	}
	return nil
}

// Press lets a person press a button of a bot's message: the bot gets a
// callback query with the data.
func (w *World) Press(chatID, seq int64, name, data string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.room(chatID)
	if err != nil {
		return "", err
	}
	p := c.at(seq)
	if p == nil || !w.profile(p.Message.From).Bot || len(p.Message.Markup) == 0 {
		return "", invalid("message_id", fmtInt(seq), "a bot's message with buttons")
	}
	author, err := w.enter(c, name)
	if err != nil {
		return "", err
	}
	bot := w.state.Accounts[p.Message.From]
	known, _ := c.idFor(bot, p)
	query := fmtInt(bot.NextUpdate) + fmtInt(author.ID)
	events := w.tell(bot, Update{Kind: KindCallback, Chat: chatID, MsgID: known, By: author.ID, Query: query, Data: data}, seq)
	if len(events) == 0 {
		return query, nil
	}
	return query, w.commit(nil, events...)
}

const (
	// maxQueries limits the unanswered callback queries of a bot; the oldest are dropped
	// first.
	maxQueries = 64
	// queryLifetime is for how long one waits. Telegram tells no number; bots that
	// answer after some tens of seconds are told that the query is too old.
	queryLifetime = 30 * time.Second
)

// query is a callback query.
type query struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// AnswerQuery marks a callback query of the bot as answered. It reports whether such a query
// waited.
func (w *World) AnswerQuery(botID int64, id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot := w.state.Accounts[botID]
	if bot == nil {
		return false
	}
	for i, q := range bot.Queries {
		if q.ID == id {
			bot.Queries = slices.Delete(bot.Queries, i, i+1)
			return w.cfg.Now().Sub(q.At) < queryLifetime
		}
	}
	return false
}

// asked notes a callback query that a bot is told of.
func (a *account) asked(q query) {
	if a.Queries = append(a.Queries, q); len(a.Queries) > maxQueries {
		a.Queries = slices.Delete(a.Queries, 0, 1)
	}
}
