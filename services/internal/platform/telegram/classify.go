package telegram

import (
	"net/http"
	"strings"
	"time"
)

// answer is a Bot API answer, whatever its HTTP status was.
type answer struct {
	status      int // error_code, else the HTTP status
	description string
	retryAfter  time.Duration // 0 if the answer doesn't say
	migrateTo   int64
}

// defaultRetryAfter is the wait where a 429 names none.
const defaultRetryAfter = time.Second

// classify sorts a refusal (ok: false) of the Bot API. It is the one place that
// knows Telegram's errors. The order matters: the first rule that fits decides.
//
// Descriptions are looked at before codes, because codes mislead: a 403 in
// capitals is turned into a 400 by the Bot API server, one 500 is a success, and
// a 400 may mean one message, one chat, or another chat id. They are no stable
// contract either, so they are matched by lower-cased parts, and every code has
// a rule for what nobody has seen yet. The strings are those of
// tdlib/telegram-bot-api, Client.cpp, and of core.telegram.org's lists.
//
//nolint:cyclop // an ordered list of rules
func classify(a answer) Outcome {
	out := Outcome{Status: a.status, Description: a.description}
	d := strings.TrimSpace(strings.ToLower(a.description))
	switch {
	// A wait that TDLib did not sit out itself. It comes while the Bot API
	// server restarts, too. Whatever the text, nothing was done.
	case a.status == http.StatusTooManyRequests, strings.HasPrefix(d, "too many requests"):
		out.Kind = RateLimited
		out.RetryAfter = a.retryAfter
		if out.RetryAfter <= 0 {
			out.RetryAfter = defaultRetryAfter
		}

	// The id is the news, whatever the text: "upgraded to" in current servers,
	// "migrated to" in old ones. Only calls that write get it; a reaction to an
	// old id finds no message.
	case a.migrateTo != 0:
		out.Kind = Moved
		out.MigrateTo = a.migrateTo

	// An anti-spam bot was quicker than the answer: the message was sent. It is
	// a 500, which would otherwise be of unknown outcome and might be repeated.
	case has(d, "sent message was immediately deleted"):
		out.Kind = AlreadyDone

	// The effect is there already. TDLib hides this for reactions, the Bot API
	// shows it for edits and deletions.
	case has(d, "message is not modified", "message_not_modified", "message to delete not found"):
		out.Kind = AlreadyDone

	// "kicked from the group chat", "... supergroup chat", "... channel chat",
	// and the same three of "is not a member of the".
	case has(d, "bot was kicked from", "bot is not a member of", "group chat was deleted", "group chat was upgraded", "group chat was migrated"):
		out.Kind = PermanentMembership

	// A bot that never was in the group gets the same as for a group that never
	// was. "chat not found" must not catch "message thread not found" and such.
	case has(d, "chat not found"):
		out.Kind = PermanentMembership

	// The chat is there, but the bot must be silent in it. The words in capitals
	// come from Telegram's core as they are, and as 400 though they are 403s; of
	// these there is one for each kind of content: CHAT_SEND_PLAIN_FORBIDDEN and
	// so on.
	case has(d, "have no write access to the chat", "not enough rights to", "have no rights to", "chat_write_forbidden", "chat_restricted",
		"chat_guest_send_forbidden", "user_restricted", "chat_admin_required", "need administrator rights"),
		has(d, "chat_send_") && has(d, "_forbidden"):
		out.Kind = PermanentMembership
		out.Muted = true

	// The bot was banned, or the chat was closed to it.
	case has(d, "user_banned_in_channel", "channel_private", "chat_forbidden", "group is deactivated", "user_not_participant"):
		out.Kind = PermanentMembership

	// Chats with one person. "the bot can't send messages to the bot" was "bot
	// can't send messages to bots".
	case has(d, "bot was blocked by the user", "user is deactivated", "can't initiate conversation with a user",
		"can't send messages to the bot", "can't send messages to bots"):
		out.Kind = PermanentMembership

	// The message to reply to. The text was changed; old servers are in use.
	case has(d, "message to be replied not found", "replied message not found", "reply message not found", "reply_message_id_invalid"):
		out.Kind = PermanentAction
		out.ReplyNotFound = true

	// The emoji is none of the 73, or the chat doesn't allow it.
	case has(d, "reaction_invalid"):
		out.Kind = PermanentAction
		out.ReactionInvalid = true

	// The message to react to, or to edit.
	case has(d, "message to react not found", "message to edit not found", "message_id_invalid", "msg_id_invalid"):
		out.Kind = PermanentAction
		out.MessageGone = true

	// Refusals of this very message or reaction. They would be permanent by
	// their code as well; here they are safe from a change of codes.
	case has(d, "reaction_empty", "reactions_too_many", "anonymous_reactions_disabled", "premium_account_required",
		"message thread not found", "topic_closed", "topic_deleted",
		"message is too long", "message text is empty", "can't parse entities"):
		out.Kind = PermanentAction

	// The bot is being moved from one Bot API server to another, which takes ten
	// minutes and more. Nothing was done, and the token is fine.
	case has(d, "logged out"):
		out.Kind = NotSent

	// A server that is older than the method. The token is fine.
	case has(d, "method not found"):
		out.Kind = PermanentAction

	// A revoked or mistyped token. A malformed one gives a bare "Not Found",
	// because the server finds no bot in the path.
	case a.status == http.StatusUnauthorized, strings.HasPrefix(d, "unauthorized"), a.status == http.StatusNotFound, d == "not found":
		out.Kind = PermanentBot

	// Another process polls, or a webhook is set: about updates only. Nothing was
	// done, and it may be over later.
	case a.status == http.StatusConflict, strings.HasPrefix(d, "conflict"):
		out.Kind = NotSent

	// A 4xx that nobody knows stays a refusal however often it is tried. Had it
	// been a matter of time, it would have been a 429.
	case a.status >= 400 && a.status < 500:
		out.Kind = PermanentAction

	// Any other 5xx ("Internal Server Error: restart", "Bad Gateway") may come
	// after the effect, and so may codes that make no sense in a refusal.
	default:
		out.Kind = Unknown
	}
	return out
}

func has(description string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(description, p) {
			return true
		}
	}
	return false
}
