package emulator

import (
	"encoding/json"
	"net/http"

	"github.com/chorus-cast/chorus/services/emulator/calllog"
)

// recover completes the log of calls with what calls did just before the
// process died, and then compacts the state.
func (e *Emulator) recover() error {
	for _, effect := range e.world.Effects() {
		if e.calls.Knew(effect.ID) {
			continue
		}

		bot, _ := e.world.AccountByID(effect.Bot)

		err := e.calls.Append(calllog.Record{
			ID: effect.ID, Time: effect.At, Bot: bot.Username, BotID: effect.Bot,
			Method: effect.Method, Chat: effect.Chat, Params: map[string]json.RawMessage{},
			Status: http.StatusOK, Effect: effectOf(effect.Method), EffectMessageID: effect.Message,
			Recovered: true,
		})
		if err != nil {
			return err
		}
	}

	return e.world.Compact()
}

// effectOf is what a method does when it does something.
func effectOf(method string) string {
	switch method {
	case "sendMessage":
		return "sent"
	case "setMessageReaction":
		return "reacted"
	case "editMessageText":
		return "edited"
	case "deleteMessage":
		return "deleted"
	case "leaveChat":
		return "left"
	default:
		return "set"
	}
}
