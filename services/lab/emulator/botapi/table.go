package botapi

import (
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
)

// table returns the methods by their names in lower case: the Bot API doesn't
// care for the case.
func (a *API) table() map[string]method {
	methods := map[string]method{}
	for _, m := range append(a.sending(), []method{
		{name: "getMe", prepare: a.getMe},
		{name: "logOut", prepare: a.signOff},
		{name: "close", prepare: a.signOff},
		{name: "getUpdates", prepare: a.getUpdates},
		{name: "setWebhook", prepare: a.setWebhook},
		{name: "deleteWebhook", prepare: a.deleteWebhook},
		{name: "getWebhookInfo", prepare: a.getWebhookInfo},
		{name: "sendChatAction", act: flood.Other, prepare: a.sendChatAction},
		{name: "setMessageReaction", act: flood.Reaction, prepare: a.setMessageReaction},
		{name: "editMessageText", act: flood.Edit, prepare: a.editMessageText},
		{name: "editMessageReplyMarkup", act: flood.Edit, prepare: a.editMessageReplyMarkup},
		{name: "deleteMessage", act: flood.Other, prepare: a.deleteMessage},
		{name: "answerCallbackQuery", act: flood.Other, prepare: a.answerCallbackQuery},
		{name: "getChat", prepare: a.getChat},
		{name: "getChatMember", prepare: a.getChatMember},
		{name: "getChatMemberCount", prepare: a.getChatMemberCount},
		{name: "getChatAdministrators", prepare: a.getChatAdministrators},
		{name: "leaveChat", act: flood.Other, prepare: a.leaveChat},
		{name: "getMyCommands", prepare: a.getMyCommands},
		{name: "setMyCommands", prepare: a.setMyCommands},
		{name: "deleteMyCommands", prepare: a.deleteMyCommands},
	}...) {
		methods[strings.ToLower(m.name)] = m
	}
	return methods
}

// Methods are the names of the methods that are emulated, sorted.
func Methods() []string {
	var names []string
	for _, m := range (&API{}).table() {
		names = append(names, m.name)
	}
	slices.Sort(names)
	return names
}

// always is an effect that needs nothing but its answer.
func always(reply answer) (effect, error) {
	return func() (answer, error) { return reply, nil }, nil
}
