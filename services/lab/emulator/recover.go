package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
)

// recover completes the log of calls with what calls did just before the
// process died, and then compacts the state.
func (e *Emulator) recover() error {
	effects := e.world.Effects()
	// Calls are logged in the order of their effects, so only the last can lack.
	for i, effect := range slices.Backward(effects) {
		if e.calls.Knew(effect.ID) {
			effects = effects[i+1:]
			break
		}
	}
	for _, effect := range effects {
		bot, _ := e.world.AccountByID(effect.Bot)
		// Of the parameters the world knows what was said.
		params := map[string]json.RawMessage{}
		if effect.Text != "" {
			text, err := json.Marshal(effect.Text)
			if err != nil {
				return fmt.Errorf("complete the log: %w", err)
			}
			params["text"] = text
		}
		err := e.calls.Append(calllog.Record{
			ID: effect.ID, Time: effect.At, Bot: bot.Username, BotID: effect.Bot,
			Method: effect.Method, Chat: effect.Chat, Params: params,
			Status: http.StatusOK, Effect: effectOf(effect.Method), EffectMessageID: effect.Message,
			Recovered: true,
		})
		if err != nil {
			return err
		}
	}
	return e.world.Compact()
}

// effectOf returns what a method does when it does something.
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
