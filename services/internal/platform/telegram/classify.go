package telegram

import (
	"net/http"
	"strings"
	"time"
)

// answer is a response of the Bot API, whatever its HTTP status.
type answer struct {
	status      int // error_code, else the HTTP status
	description string
	retryAfter  time.Duration // 0 if the answer doesn't say
	migrateTo   int64
}

// defaultRetryAfter is the wait after a 429 that names none.
const defaultRetryAfter = time.Second

// classify returns the outcome of an error response (ok: false). It is the one place that
// knows Telegram's errors. The order matters: the first matching rule decides.
//
// Descriptions are checked before codes, because codes mislead: the Bot API server turns a
// 403 in capitals into a 400, one 500 is a success, and a 400 may concern one message, one
// chat, or another chat id. Descriptions aren't a stable contract either, so they are
// matched by lower-cased parts, and every code has a rule for descriptions that nobody has
// seen yet. The strings are those of tdlib/telegram-bot-api, Client.cpp, and of
// core.telegram.org's lists.
//
//nolint:cyclop // an ordered list of rules
func classify(a answer) Outcome {
	out := Outcome{Status: a.status, Description: a.description}
	d := strings.TrimSpace(strings.ToLower(a.description))
	switch {
	// TDLib didn't wait for this limit itself. It also occurs while the Bot API server
	// restarts. Whatever the text, the call had no effect.
	case a.status == http.StatusTooManyRequests, strings.HasPrefix(d, "too many requests"):
		out.Kind = RateLimited
		out.RetryAfter = a.retryAfter
		if out.RetryAfter <= 0 {
			out.RetryAfter = defaultRetryAfter
		}

	// Whatever the text, the new id decides: "upgraded to" in current servers, "migrated
	// to" in old ones. Only calls that write get it; a reaction to an old id finds no
	// message.
	case a.migrateTo != 0:
		out.Kind = Moved
		out.MigrateTo = a.migrateTo

	// An anti-spam bot deleted the message before the response: it was sent. By its code,
	// 500, it would have an unknown outcome and might be repeated.
	case has(d, "sent message was immediately deleted"):
		out.Kind = AlreadyDone

	// The effect is there already. TDLib hides this for reactions; the Bot API reports it
	// for edits and deletions.
	case has(d, "message is not modified", "message_not_modified", "message to delete not found"):
		out.Kind = AlreadyDone

	// "kicked from the group chat", "... supergroup chat", "... channel chat", and the same
	// three after "is not a member of the".
	case has(d, "bot was kicked from", "bot is not a member of", "group chat was deleted", "group chat was upgraded", "group chat was migrated"):
		out.Kind = PermanentMembership

	// Telegram gives the same error for a group that doesn't exist and for one that the bot
	// never was in. "chat not found" must not match "message thread not found" and such.
	case has(d, "chat not found"):
		out.Kind = PermanentMembership

	// The bot is in the chat and may not write there. The words in capitals come unchanged
	// from Telegram's core, with code 400 though they are 403s. There is one for each kind
	// of content: CHAT_SEND_PLAIN_FORBIDDEN and so on.
	case has(d, "have no write access to the chat", "not enough rights to", "have no rights to", "chat_write_forbidden", "chat_restricted",
		"chat_guest_send_forbidden", "user_restricted", "chat_admin_required", "need administrator rights"),
		has(d, "chat_send_") && has(d, "_forbidden"):
		out.Kind = PermanentMembership
		out.Muted = true

	// The bot was banned, or the chat is closed to it.
	case has(d, "user_banned_in_channel", "channel_private", "chat_forbidden", "group is deactivated", "user_not_participant"):
		out.Kind = PermanentMembership

	// Private chats. "the bot can't send messages to the bot" was formerly "bot can't send
	// messages to bots".
	case has(d, "bot was blocked by the user", "user is deactivated", "can't initiate conversation with a user",
		"can't send messages to the bot", "can't send messages to bots"):
		out.Kind = PermanentMembership

	// The message to reply to. The text has changed over time, and old servers are in use.
	case has(d, "message to be replied not found", "replied message not found", "reply message not found", "reply_message_id_invalid"):
		out.Kind = PermanentAction
		out.ReplyNotFound = true

	// The emoji isn't one of the 73, or the chat doesn't allow it.
	case has(d, "reaction_invalid"):
		out.Kind = PermanentAction
		out.ReactionInvalid = true

	// The message to react to, or to edit.
	case has(d, "message to react not found", "message to edit not found", "message_id_invalid", "msg_id_invalid"):
		out.Kind = PermanentAction
		out.MessageGone = true

	// Refusals of this message or reaction. Their codes would make them permanent anyway;
	// this rule holds if the codes change.
	case has(d, "reaction_empty", "reactions_too_many", "anonymous_reactions_disabled", "premium_account_required",
		"message thread not found", "topic_closed", "topic_deleted",
		"message is too long", "message text is empty", "can't parse entities"):
		out.Kind = PermanentAction

	// The bot is being moved to another Bot API server, which takes ten minutes or longer.
	// The call had no effect, and the token is valid.
	case has(d, "logged out"):
		out.Kind = NotSent

	// The server is older than the method. The token is valid.
	case has(d, "method not found"):
		out.Kind = PermanentAction

	// The token is revoked or mistyped. A malformed one causes a bare "Not Found", because
	// the server finds no bot in the path.
	case a.status == http.StatusUnauthorized, strings.HasPrefix(d, "unauthorized"), a.status == http.StatusNotFound, d == "not found":
		out.Kind = PermanentBot

	// Another process polls, or a webhook is set. It concerns updates only. The call had no
	// effect, and the conflict may end.
	case a.status == http.StatusConflict, strings.HasPrefix(d, "conflict"):
		out.Kind = NotSent

	// An unknown 4xx remains a refusal however often the call is repeated. A temporary one
	// would have been a 429.
	case a.status >= 400 && a.status < 500:
		out.Kind = PermanentAction

	// Any other 5xx ("Internal Server Error: restart", "Bad Gateway") may come after the
	// effect, and so may codes that make no sense in a refusal.
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
