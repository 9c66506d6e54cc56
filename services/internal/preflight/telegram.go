package preflight

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// Asker is the part of Telegram that the checks use.
type Asker interface {
	GetMe(ctx context.Context, token secret.String) (telegram.Me, telegram.Outcome)
	GetChat(ctx context.Context, token secret.String, chatID int64) (telegram.ChatInfo, telegram.Outcome)
	GetMember(ctx context.Context, token secret.String, chatID, userID int64) (telegram.Member, telegram.Outcome)
	GetWebhook(ctx context.Context, token secret.String) (telegram.WebhookInfo, telegram.Outcome)
}

var _ Asker = (*telegram.Client)(nil)

const (
	// asksAtOnce keeps the calls far below Telegram's limits, whatever the size of the cast.
	asksAtOnce = 8
	// askTimeout limits one call.
	askTimeout = 20 * time.Second
)

// Cast checks every enabled bot and chat at Telegram, and every bot in each of its chats.
func Cast(ctx context.Context, api Asker, cast roster.Cast) []Finding {
	cast = cast.Present()
	findings, usable := each(ctx, api, cast)
	findings = append(findings, telegramClock(ctx, api, usable)...)
	type place struct {
		chat     roster.Chat
		findings []Finding
	}
	var places []*place
	var asking errgroup.Group
	asking.SetLimit(asksAtOnce)
	for _, c := range cast.Chats {
		if !c.Enabled {
			continue
		}
		p := &place{chat: c}
		places = append(places, p)
		asking.Go(func() error {
			p.findings = chat(ctx, api, c, usable)
			return nil
		})
	}
	_ = asking.Wait() // errors are in the findings
	for _, p := range places {
		findings = append(findings, p.findings...)
	}
	if len(findings) == 0 {
		return []Finding{warn("bot", "", "no bot takes part", "apply a cast: chorus apply -f FILE")}
	}
	return findings
}

// each checks the bots, and returns those whose tokens work, by name.
func each(ctx context.Context, api Asker, cast roster.Cast) ([]Finding, map[string]roster.Bot) {
	found := make([][]Finding, len(cast.Bots))
	works := make([]bool, len(cast.Bots))
	var asking errgroup.Group
	asking.SetLimit(asksAtOnce)
	for i, b := range cast.Bots {
		if b.Enabled {
			asking.Go(func() error {
				found[i], works[i] = bot(ctx, api, b)
				return nil
			})
		}
	}
	_ = asking.Wait() // errors are in the findings
	var findings []Finding
	usable := map[string]roster.Bot{}
	for i, b := range cast.Bots {
		findings = append(findings, found[i]...)
		if works[i] {
			usable[b.Name] = b
		}
	}
	return findings, usable
}

func bot(ctx context.Context, api Asker, b roster.Bot) ([]Finding, bool) {
	const check = "bot"
	if b.Secret.Empty() {
		return []Finding{fail(check, b.Name, "its token can't be opened with these keys",
			"give the key that it was sealed with (secret.keys), or apply the cast again")}, false
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	me, out := api.GetMe(ctx, b.Secret)
	switch {
	case out.Kind == telegram.PermanentBot:
		return []Finding{fail(check, b.Name, "Telegram refuses its token: "+out.Description,
			"get the token from @BotFather (/token), and apply the cast again")}, false
	case !out.OK():
		return []Finding{fail(check, b.Name, "Telegram does not answer: "+out.Description, "check telegram.url, and whether this machine reaches it")}, false
	}
	findings := []Finding{well(check, b.Name, "@"+me.Username)}
	if b.Username != "" && !strings.EqualFold(b.Username, me.Username) {
		findings = append(findings, warn(check, b.Name, fmt.Sprintf("is @%s on Telegram, and @%s in the cast", me.Username, b.Username),
			"the listener takes Telegram's word within ten minutes; should the token be that of another bot, correct it"))
	}
	if !me.ReadsAll {
		findings = append(findings, warn(check, b.Name, "has privacy mode on: it hears commands and replies to it, but no @mention and no other talk",
			"@BotFather, /setprivacy, Disable; then take the bot out of its groups and add it again"))
	}
	return append(findings, webhook(ctx, api, b)...), true
}

// webhook checks whether Telegram reaches a bot's webhook, if it has one.
func webhook(ctx context.Context, api Asker, b roster.Bot) []Finding {
	const check = "webhook"
	info, out := api.GetWebhook(ctx, b.Secret)
	now := out.At // the time of a failure is by Telegram's clock
	if now.IsZero() {
		now = time.Now()
	}
	switch {
	case !out.OK() || info.URL == "":
		return nil
	case info.Failing(now):
		return []Finding{fail(check, b.Name, fmt.Sprintf("Telegram can't bring its updates to %s: %s (%s, %d wait)",
			info.URL, names.Title(info.LastError, 200), info.LastErrorAt().UTC().Format(time.RFC3339), info.Pending),
			"make listener.public_url one that Telegram reaches, with a certificate that it accepts, or leave it empty to ask for updates instead")}
	}
	return []Finding{well(check, b.Name, fmt.Sprintf("Telegram brings its updates to %s (%d wait)", info.URL, info.Pending))}
}
