package preflight_test

import (
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

func TestApproval(t *testing.T) {
	t.Parallel()
	const group, operator = "-1001", "4242"
	refused := telegram.Outcome{Kind: telegram.PermanentMembership, Description: "Bad Request: chat not found"}
	for name, c := range map[string]struct {
		chat, bot, people string
		change            func(*world, *roster.Cast)
		want              []string // "SUBJECT STATUS a part of what was found"
	}{
		"no chat":                      {"0", "", "", nil, nil},
		"all is well":                  {group, "anna", "4242", nil, []string{"anna ok may speak"}},
		"the first in the group":       {group, "", "4242", nil, []string{"ben ok may speak"}},
		"nobody may decide":            {group, "anna", "", nil, []string{"approval_people failure is empty", "anna ok may speak"}},
		"nobody of that name":          {group, "carl", "4242", nil, []string{`approval_bot failure no bot of the cast is called "carl"`}},
		"no bot is there":              {group, "", "4242", func(_ *world, c *roster.Cast) { c.Chats[0].Cast = nil }, []string{"approval_bot failure no bot of the cast is known"}},
		"a private chat without a bot": {operator, "", "4242", nil, []string{"approval_bot failure a private chat needs one"}},
		"a private chat": {operator, "anna", "4242", func(w *world, _ *roster.Cast) {
			w.chat.Kind = "private"
		}, []string{"anna ok may write to the operator"}},
		"a private chat that was not started": {operator, "anna", "4242", func(w *world, _ *roster.Cast) {
			w.asksChat = refused
		}, []string{"anna failure can't write to the operator: Bad Request"}},
		"a bot that is not in the group": {group, "anna", "4242", func(w *world, _ *roster.Cast) {
			w.asksChat = refused
		}, []string{"anna failure can't see the operators' chat"}},
		"a bot that has left":        {group, "anna", "4242", func(w *world, _ *roster.Cast) { w.member.Status = telegram.Left }, []string{"anna failure is not in the group"}},
		"a muted bot":                {group, "anna", "4242", func(w *world, _ *roster.Cast) { w.member = telegram.Member{Status: telegram.Restricted, Present: true} }, []string{"anna failure may not send"}},
		"a group that is closed now": {group, "anna", "4242", func(w *world, _ *roster.Cast) { w.chat.SendClosed = true }, []string{"anna warning may not send messages there now"}},
		"a group that was upgraded": {group, "anna", "4242", func(w *world, _ *roster.Cast) {
			w.asksChat = telegram.Outcome{Kind: telegram.Moved, MigrateTo: -1009}
		}, []string{"approval_chat failure became the supergroup -1009"}},
		"no network":             {group, "anna", "4242", func(w *world, _ *roster.Cast) { w.asksChat = telegram.Outcome{Kind: telegram.NotSent} }, []string{"anna failure does not answer"}},
		"a bot that is off":      {group, "anna", "4242", func(_ *world, c *roster.Cast) { c.Bots[0].Enabled = false }, []string{"approval_bot failure anna is switched off"}},
		"another key":            {group, "anna", "4242", func(_ *world, c *roster.Cast) { c.Bots[0].Secret = secret.String{} }, []string{"approval_bot failure can't be opened"}},
		"the cast plays there":   {group, "anna", "4242", func(_ *world, c *roster.Cast) { c.Chats[0].Enabled = true }, []string{"approval_chat failure the cast plays there, in desk", "anna ok may speak"}},
		"a bot that was removed": {group, "anna", "4242", func(_ *world, c *roster.Cast) { c.Bots[0].Removed = true }, []string{"approval_bot failure no bot of the cast"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := telegram.Outcome{Kind: telegram.Done}
			w := world{chat: telegram.ChatInfo{Kind: roster.Supergroup}, member: telegram.Member{Status: "member"}, asksChat: done, asksMember: done}
			cast := roster.Cast{
				Bots: []roster.Bot{
					{Name: "anna", Enabled: true, Secret: secret.New("1:a"), AccountID: 1}, {Name: "ben", Enabled: true, Secret: secret.New("2:b"), AccountID: 2},
				},
				Chats: []roster.Chat{{Name: "desk", TelegramID: -1001, Cast: []string{"ben"}}},
			}
			if c.change != nil {
				c.change(&w, &cast)
			}
			values, wrong := settings.NewValues([]settings.Stored{
				stored(t, settings.ApprovalChat.Definition, c.chat), stored(t, settings.ApprovalBot.Definition, c.bot), stored(t, settings.ApprovalPeople.Definition, c.people),
			})
			if len(wrong) > 0 {
				t.Fatal(wrong)
			}
			found := preflight.Approval(t.Context(), w, cast, values)
			if len(found) != len(c.want) {
				t.Fatalf("found %+v, want %q", found, c.want)
			}
			for i, f := range found {
				part := strings.SplitN(c.want[i], " ", 3)
				if f.Check != "approval" || f.Subject != part[0] || string(f.Status) != part[1] || !strings.Contains(f.Found, part[2]) {
					t.Errorf("found %+v, want %q", f, c.want[i])
				}
				if (f.Remedy == "") != (f.Status == preflight.OK) {
					t.Errorf("%+v: want a remedy where something is wrong", f)
				}
			}
		})
	}
}

// stored returns a setting as the database stores it.
func stored(t *testing.T, d *settings.Definition, text string) settings.Stored {
	t.Helper()
	value, err := d.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return settings.Stored{Key: d.Key, Scope: settings.Global, Value: value}
}
