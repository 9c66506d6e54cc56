package preflight

import (
	"context"
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/telegram"
)

// chat asks about a chat, by the first of its bots that can, and about all of
// them in it.
func chat(ctx context.Context, api Asker, c roster.Chat, bots map[string]roster.Bot) []Finding {
	const check = "chat"
	var findings []Finding
	seen := false
	for _, name := range c.Cast {
		b, usable := bots[name]
		if !usable {
			continue
		}
		if !seen {
			about, ok := look(ctx, api, c, b)
			if seen = ok; ok {
				findings = append(about, findings...)
			}
		}
		findings = append(findings, member(ctx, api, c, b))
	}
	switch {
	case len(findings) == 0:
		return []Finding{fail(check, c.Name, "none of its bots can be used", "mend the bots first, or give the chat others")}
	case !seen:
		return append([]Finding{fail(check, c.Name, fmt.Sprintf("no bot can see it (telegram_id %d)", c.TelegramID),
			"check the id, and add the bots to the group")}, findings...)
	}
	return findings
}

// look is what one bot sees of a chat; ok is false if it sees nothing.
func look(ctx context.Context, api Asker, c roster.Chat, b roster.Bot) (findings []Finding, ok bool) {
	const check = "chat"
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	info, out := api.GetChat(ctx, b.Secret, c.TelegramID)
	if out.Kind == telegram.Moved {
		return []Finding{fail(check, c.Name, fmt.Sprintf("the group became the supergroup %d", out.MigrateTo),
			fmt.Sprintf("write telegram_id: %d into the cast file, and apply it", out.MigrateTo))}, true
	}
	if !out.OK() {
		return nil, false
	}
	switch info.Kind {
	case roster.Supergroup:
		findings = append(findings, well(check, c.Name, info.Title))
	case roster.Group:
		// Message ids differ from bot to bot there.
		findings = append(findings, warn(check, c.Name, info.Title+" is a basic group: bots can't reply or react to what other bots said there",
			"make it a supergroup: in its settings, let new members see the history; then give its new telegram_id"))
	default:
		return []Finding{fail(check, c.Name, "is a "+info.Kind+", and no group", "give the telegram_id of a group")}, true
	}
	if info.AvailableReactions != nil && len(info.AvailableReactions) == 0 {
		findings = append(findings, warn(check, c.Name, "allows no reactions: each becomes an emoji message",
			"allow reactions in the group's settings, or set reaction_mode to message for this chat"))
	}
	return findings, true
}

// member is whether a bot may speak in a chat.
func member(ctx context.Context, api Asker, c roster.Chat, b roster.Bot) Finding {
	const check = "member"
	who := b.Name + " in " + c.Name
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	m, out := api.GetMember(ctx, b.Secret, c.TelegramID, b.AccountID)
	switch {
	case !out.OK() && (out.Kind == telegram.PermanentMembership || out.Kind == telegram.PermanentAction):
		return fail(check, who, "is not in the group: "+out.Description, "add the bot to the group")
	case !out.OK():
		return fail(check, who, "Telegram does not answer: "+out.Description, "try again, or check telegram.url")
	case m.Status == telegram.Left || m.Status == telegram.Kicked:
		return fail(check, who, "is not in the group ("+m.Status+")", "add the bot to the group")
	case !m.MaySpeak():
		return fail(check, who, "may not send messages there", "lift the restriction in the group's settings, or make the bot an administrator")
	}
	return well(check, who, "may speak ("+m.Status+")")
}
