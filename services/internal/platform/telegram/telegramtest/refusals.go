package telegramtest

import "github.com/chorus-cast/chorus/services/internal/platform/telegram"

// Refusal is an error response of the Bot API and the outcome that it must have.
type Refusal struct {
	Code        int
	Description string
	Want        telegram.Kind
}

// Refusals returns the error responses of the Bot API server, word for word, and unknown
// descriptions for every code.
func Refusals() []Refusal {
	const (
		action     = telegram.PermanentAction
		membership = telegram.PermanentMembership
		bot        = telegram.PermanentBot
		already    = telegram.AlreadyDone
		unknown    = telegram.Unknown
		notSent    = telegram.NotSent
		limited    = telegram.RateLimited
	)
	return []Refusal{
		{400, "Bad Request: REACTION_INVALID", action},
		{400, "Bad Request: REACTION_EMPTY", action},
		{400, "Bad Request: REACTIONS_TOO_MANY", action},
		{400, "Bad Request: message to react not found", action},
		{400, "Bad Request: MESSAGE_ID_INVALID", action},
		{400, "Bad Request: MSG_ID_INVALID", action},
		{400, "Bad Request: message to be replied not found", action},
		{400, "Bad Request: replied message not found", action},
		{400, "Bad Request: message thread not found", action},
		{400, "Bad Request: TOPIC_CLOSED", action},
		{400, "Bad Request: message is too long", action},
		{400, "Bad Request: message text is empty", action},
		{400, "Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 3", action},
		{400, "Bad Request: ANONYMOUS_REACTIONS_DISABLED", action}, // a 403 that the server rewrites
		{403, "Forbidden: ANONYMOUS_REACTIONS_DISABLED", action},
		{400, "Bad Request: PREMIUM_ACCOUNT_REQUIRED", action},
		{400, "Bad Request: CUSTOM_REACTIONS_TOO_MANY", action},
		{400, "Bad Request: DOCUMENT_INVALID", action},
		{400, "Bad Request: PEER_ID_INVALID", action},
		{400, "Bad Request: CHANNEL_INVALID", action},

		{400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message", already},
		{400, "Bad Request: MESSAGE_NOT_MODIFIED", already},
		{400, "Bad Request: message to delete not found", already},
		{500, "Internal Server Error: sent message was immediately deleted and can't be returned", already},

		{403, "Forbidden: bot was kicked from the group chat", membership},
		{403, "Forbidden: bot was kicked from the supergroup chat", membership},
		{403, "Forbidden: bot was kicked from the channel chat", membership},
		{403, "Forbidden: bot is not a member of the group chat", membership},
		{403, "Forbidden: bot is not a member of the supergroup chat", membership},
		{403, "Forbidden: bot is not a member of the channel chat", membership},
		{403, "Forbidden: the group chat was deleted", membership},
		{400, "Bad Request: chat not found", membership},
		{400, "Bad Request: have no write access to the chat", membership},
		{400, "Bad Request: not enough rights to send text messages to the chat", membership},
		{400, "Bad Request: not enough rights to send messages to the chat", membership},
		{400, "Bad Request: need administrator rights in the channel chat", membership},
		{400, "Bad Request: CHAT_WRITE_FORBIDDEN", membership},
		{403, "Forbidden: CHAT_WRITE_FORBIDDEN", membership},
		{400, "Bad Request: CHAT_RESTRICTED", membership},
		{400, "Bad Request: have no rights to send a message", membership},
		{400, "Bad Request: not enough rights to react to messages in the chat", membership},
		{400, "Bad Request: CHAT_GUEST_SEND_FORBIDDEN", membership},
		{400, "Bad Request: CHAT_SEND_PLAIN_FORBIDDEN", membership},
		{403, "Forbidden: CHAT_SEND_REACTIONS_FORBIDDEN", membership},
		{400, "Bad Request: CHAT_ADMIN_REQUIRED", membership},
		{400, "Bad Request: USER_RESTRICTED", membership},
		{403, "Forbidden: CHAT_FORBIDDEN", membership},
		{400, "Bad Request: USER_BANNED_IN_CHANNEL", membership},
		{400, "Bad Request: CHANNEL_PRIVATE", membership},
		{403, "Forbidden: bot was blocked by the user", membership},
		{403, "Forbidden: user is deactivated", membership},
		{403, "Forbidden: bot can't initiate conversation with a user", membership},
		{403, "Forbidden: the bot can't send messages to the bot", membership},
		{403, "Forbidden: bot can't send messages to bots", membership},
		// Without the new id the call can't be made elsewhere.
		{400, "Bad Request: group chat was upgraded to a supergroup chat", membership},

		{401, "Unauthorized", bot},
		{401, "Unauthorized: invalid token specified", bot},
		{404, "Not Found", bot},
		{404, "Not Found: method not found", action},

		// The bot is being moved between two servers.
		{400, "Bad Request: Logged out", notSent},
		{401, "Unauthorized: Logged out", notSent},

		{409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running", notSent},
		{409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first", notSent},
		{409, "Conflict: terminated by setWebhook request", notSent},

		{429, "Too Many Requests: retry after 5", limited},
		{400, "Too Many Requests: retry after 5", limited},

		{500, "Internal Server Error: restart", unknown},
		{500, "Internal Server Error", unknown},
		{502, "Bad Gateway", unknown},
		{504, "Gateway Timeout", unknown},

		// Unknown descriptions.
		{400, "Bad Request: something new", action},
		{403, "Forbidden: something new", action},
		{402, "Payment Required", action},
		{413, "Request Entity Too Large", action},
		{418, "I'm a teapot", action},
		{499, "", action},
		{401, "something new", bot},
		{404, "something new", bot},
		{409, "something new", notSent},
		{429, "something new", limited},
		{503, "something new", unknown},
		{599, "", unknown},
		{302, "something new", unknown},
		// Upper case doesn't matter.
		{403, "FORBIDDEN: BOT WAS KICKED FROM THE GROUP CHAT", membership},
	}
}
