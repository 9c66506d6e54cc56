package world

import (
	"fmt"
	"strconv"
	"strings"
)

// Error is an answer of Telegram that isn't a result, word for word.
type Error struct {
	Code        int
	Description string
	MigrateTo   int64 // the supergroup that replaced the chat
}

func (e *Error) Error() string { return e.Description }

func badRequest(reason string) *Error {
	return &Error{Code: 400, Description: "Bad Request: " + reason}
}

func forbidden(reason string) *Error { return &Error{Code: 403, Description: "Forbidden: " + reason} }

// InputError says which field of a set-up call has a value it can't have.
type InputError struct{ Field, Value, Allowed string }

func (e *InputError) Error() string {
	return fmt.Sprintf("%s: %q is not allowed, must be %s", e.Field, e.Value, e.Allowed)
}

func invalid(field, value, allowed string) *InputError {
	return &InputError{Field: field, Value: value, Allowed: allowed}
}

// access is the access to a chat that a bot needs, in the Bot API server's order.
type access int

const (
	toRead access = iota
	toEdit
	toWrite
)

// reach returns the chat if the bot may do this there, with Telegram's errors
// in the order in which the Bot API server looks for them.
func (w *World) reach(bot *account, chatID int64, want access) (*chat, error) {
	if chatID > 0 {
		return w.reachPerson(bot, chatID, want)
	}
	c := w.state.Chats[chatID]
	if c == nil {
		return nil, badRequest("chat not found")
	}
	role, known := c.Members[bot.ID]
	if !known {
		return nil, badRequest("chat not found") // a bot doesn't know groups it never was in
	}
	if want == toWrite && c.MigratedTo != 0 {
		err := badRequest("group chat was upgraded to a supergroup chat")
		err.MigrateTo = c.MigratedTo
		return nil, err
	}
	switch {
	case role == Kicked && (c.Kind == Supergroup || want >= toEdit):
		return nil, forbidden("bot was kicked from the " + c.Kind + " chat")
	case role == Left && (c.Kind == Supergroup || want >= toEdit):
		return nil, forbidden("bot is not a member of the " + c.Kind + " chat")
	default:
		return c, nil
	}
}

// permits checks that the bot may send this content to the chat.
func (c *chat) permits(bot *account, what Content) error {
	if role := c.Members[bot.ID]; role == Restricted || (c.ReadOnly && !role.admin()) {
		return badRequest("not enough rights to send " + what.kind() + " to the chat")
	}
	return nil
}

func (w *World) bot(id int64) (*account, error) {
	a := w.state.Accounts[id]
	if a == nil || !a.Bot {
		return nil, &Error{Code: 401, Description: "Unauthorized"}
	}
	return a, nil
}

// in finds a bot, and a chat in which it may do this.
func (w *World) in(botID, chatID int64, want access) (*account, *chat, error) {
	bot, err := w.bot(botID)
	if err != nil {
		return nil, nil, err
	}
	c, err := w.reach(bot, chatID, want)
	return bot, c, err
}

// groupOf returns a chat for a set-up call.
func (w *World) groupOf(id int64) (*chat, error) {
	c := w.state.Chats[id]
	if c == nil {
		return nil, invalid("chat", fmt.Sprint(id), "a chat that exists")
	}
	return c, nil
}

func fmtInt(n int64) string { return strconv.FormatInt(n, 10) }

// room returns a chat that people can write to.
func (w *World) room(id int64) (*chat, error) {
	c, err := w.groupOf(id)
	if err != nil {
		return nil, err
	}
	if c.MigratedTo != 0 {
		return nil, invalid("chat", fmt.Sprint(id), fmt.Sprintf("%d, the supergroup it was upgraded to", c.MigratedTo))
	}
	return c, nil
}

func list(values []string) string { return "one of " + strings.Join(values, ", ") }
