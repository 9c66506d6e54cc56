package preflight

import (
	"context"
	"fmt"
	"slices"

	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

const checkApproval = "approval"

// Approval checks whether waiting texts can be shown and decided on in the operators' chat, as the
// settings say. Without such a chat it returns nothing.
func Approval(ctx context.Context, api Asker, cast roster.Cast, values *settings.Values) []Finding {
	at := int64(settings.ApprovalChat.Of(values, 0, 0))
	if at == 0 {
		return nil
	}
	var findings []Finding
	if settings.ApprovalPeople.Of(values, 0, 0) == "" {
		findings = append(findings, fail(checkApproval, "approval_people", "is empty: nobody can decide in the operators' chat",
			"chorus settings set approval_people ID,ID, with Telegram's ids of who may decide"))
	}
	cast = cast.Present()
	room := roster.Chat{Name: "approval_chat", TelegramID: at}
	if i := slices.IndexFunc(cast.Chats, func(c roster.Chat) bool { return c.TelegramID == at }); i >= 0 {
		room.Cast = cast.Chats[i].Cast
		if cast.Chats[i].Enabled {
			findings = append(findings, fail(checkApproval, room.Name, "the cast plays there, in "+cast.Chats[i].Name,
				"switch the chat off in the cast file (enabled: false), and apply it, or set approval_chat to another"))
		}
	}
	b, unfit := shows(cast, room, settings.ApprovalBot.Of(values, 0, 0))
	if unfit != nil {
		return append(findings, *unfit)
	}
	return append(findings, shown(ctx, api, room, b))
}

// shows returns the bot that shows texts, or a finding why there is none.
func shows(cast roster.Cast, room roster.Chat, name string) (roster.Bot, *Finding) {
	const subject, another = "approval_bot", "chorus settings set approval_bot NAME, with the name of a bot of the cast that is in the chat"
	unfit := func(found, remedy string) (roster.Bot, *Finding) {
		f := fail(checkApproval, subject, found, remedy)
		return roster.Bot{}, &f
	}
	i := slices.IndexFunc(cast.Bots, func(b roster.Bot) bool {
		return b.Name == name || name == "" && b.Enabled && slices.Contains(room.Cast, b.Name)
	})
	switch {
	case i < 0 && name != "":
		return unfit(fmt.Sprintf("no bot of the cast is called %q", name), another)
	case i < 0 && room.TelegramID > 0:
		return unfit("is empty, and a private chat needs one", "chorus settings set approval_bot NAME, with the name of a bot that the operator has started")
	case i < 0:
		return unfit("is empty, and no bot of the cast is known to be in the chat", another+"; or add one to the group")
	case !cast.Bots[i].Enabled:
		return unfit(name+" is switched off", "switch it on in the cast file (enabled: true), and apply it, or set approval_bot to another")
	case cast.Bots[i].Secret.Empty():
		return unfit("the token of "+cast.Bots[i].Name+" can't be opened with these keys", "mend the bot first, or set approval_bot to another")
	}
	return cast.Bots[i], nil
}

// shown checks whether a bot may write in the operators' chat.
func shown(ctx context.Context, api Asker, room roster.Chat, b roster.Bot) Finding {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	info, out := api.GetChat(asking, b.Secret, room.TelegramID)
	refused := out.Kind == telegram.PermanentMembership || out.Kind == telegram.PermanentAction
	switch {
	case out.Kind == telegram.Moved:
		return fail(checkApproval, room.Name, fmt.Sprintf("the group became the supergroup %d", out.MigrateTo),
			fmt.Sprintf("chorus settings set -- approval_chat %d", out.MigrateTo))
	case refused && room.TelegramID > 0:
		return fail(checkApproval, b.Name, "can't write to the operator: "+out.Description,
			"let the operator start the bot in a private chat, and check approval_chat")
	case refused:
		return fail(checkApproval, b.Name, "can't see the operators' chat: "+out.Description, "check approval_chat, and add the bot to the group")
	case !out.OK():
		return fail(checkApproval, b.Name, "Telegram does not answer: "+out.Description, "try again, or check telegram.url")
	case info.Kind == "private":
		return well(checkApproval, b.Name, "may write to the operator")
	}
	f := member(ctx, api, room, b, &info)
	f.Check, f.Subject = checkApproval, b.Name
	return f
}
