package preflight

import (
	"context"
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// chat checks a chat, by the first of its bots that can see it, and all of its bots in it.
func chat(ctx context.Context, api Asker, c roster.Chat, bots map[string]roster.Bot) []Finding {
	const check = "chat"
	var findings []Finding
	var seen *telegram.ChatInfo
	for _, name := range c.Cast {
		b, usable := bots[name]
		if !usable {
			continue
		}
		if seen == nil {
			var about []Finding
			if about, seen = look(ctx, api, c, b); seen != nil {
				findings = append(about, findings...)
			}
		}
		findings = append(findings, member(ctx, api, c, b, seen))
	}
	switch {
	case len(findings) == 0:
		return []Finding{fail(check, c.Name, "none of its bots can be used", "mend the bots first, or give the chat others")}
	case seen == nil:
		return append([]Finding{unseen(ctx, api, c, bots)}, findings...)
	}
	return findings
}

// superBase is what Telegram subtracts from a supergroup's own number: the -100 before its id.
// Telegram's web client shows the id without it.
const superBase = -1_000_000_000_000

// unseen returns a finding about a chat that no bot sees by the given id. If the bots see a chat by
// the id with or without -100, the finding suggests that id.
func unseen(ctx context.Context, api Asker, c roster.Chat, bots map[string]roster.Bot) Finding {
	const check = "chat"
	other := c.TelegramID + superBase
	if c.TelegramID < superBase {
		other = c.TelegramID - superBase
	}
	for _, name := range c.Cast {
		b, usable := bots[name]
		if !usable {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		info, out := api.GetChat(asking, b.Secret, other)
		cancel()
		if out.OK() {
			return fail(check, c.Name, fmt.Sprintf("no bot can see it by telegram_id %d, and %s sees %s by %d", c.TelegramID, b.Name, info.Title, other),
				fmt.Sprintf("write telegram_id: %d into the cast file, and apply it", other))
		}
	}
	return fail(check, c.Name, fmt.Sprintf("no bot can see it (telegram_id %d)", c.TelegramID), "check the id, and add the bots to the group")
}

// look returns findings about a chat as one bot sees it; seen is nil if the bot sees nothing.
func look(ctx context.Context, api Asker, c roster.Chat, b roster.Bot) (findings []Finding, seen *telegram.ChatInfo) {
	const check = "chat"
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	info, out := api.GetChat(ctx, b.Secret, c.TelegramID)
	if out.Kind == telegram.Moved {
		return []Finding{fail(check, c.Name, fmt.Sprintf("the group became the supergroup %d", out.MigrateTo),
			fmt.Sprintf("write telegram_id: %d into the cast file, and apply it", out.MigrateTo))}, &info
	}
	if !out.OK() {
		return nil, nil
	}
	switch info.Kind {
	case roster.Supergroup:
		findings = append(findings, well(check, c.Name, info.Title))
	case roster.Group:
		// Message ids differ from bot to bot there.
		findings = append(findings, warn(check, c.Name, info.Title+" is a basic group: bots can't reply or react to what other bots said there",
			"make it a supergroup: in its settings, let new members see the history; then give its new telegram_id"))
	default:
		return []Finding{fail(check, c.Name, "is a "+info.Kind+", and no group", "give the telegram_id of a group")}, &info
	}
	if info.AvailableReactions != nil && len(info.AvailableReactions) == 0 {
		findings = append(findings, warn(check, c.Name, "allows no reactions: each becomes an emoji message",
			"allow reactions in the group's settings, or set reaction_mode to message for this chat"))
	}
	if info.ReactClosed {
		findings = append(findings, warn(check, c.Name, "lets administrators react only, by the group's default permissions",
			"allow reactions in the group's permissions, make the bots administrators, or set reaction_mode to message for this chat"))
	}
	return findings, &info
}

// member checks whether a bot may speak in a chat; seen is nil if the chat can't be seen.
func member(ctx context.Context, api Asker, c roster.Chat, b roster.Bot, seen *telegram.ChatInfo) Finding {
	const check = "member"
	who := b.Name + " in " + c.Name
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m, out := api.GetMember(ctx, b.Secret, c.TelegramID, b.AccountID)
	switch {
	case !out.OK() && (out.Kind == telegram.PermanentMembership || out.Kind == telegram.PermanentAction):
		return fail(check, who, "is not in the group: "+out.Description, "add the bot to the group")
	case !out.OK():
		return fail(check, who, "Telegram does not answer: "+out.Description, "try again, or check telegram.url")
	case m.Status == telegram.Left || m.Status == telegram.Kicked:
		return fail(check, who, "is not in the group ("+m.Status+")", "add the bot to the group")
	case seen != nil && seen.SendClosed && m.MaySpeak(telegram.ChatInfo{}) && !m.MaySpeak(*seen):
		return warn(check, who, "may not send messages there now: the group is closed by its default permissions",
			"if that is not meant to end by itself, allow members to send messages, or make the bot an administrator")
	case !m.MaySpeak(telegram.ChatInfo{}):
		return fail(check, who, "may not send messages there", "lift the restriction in the group's settings, or make the bot an administrator")
	}
	return well(check, who, "may speak ("+m.Status+")")
}
