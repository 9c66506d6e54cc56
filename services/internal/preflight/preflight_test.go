package preflight_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// world holds Telegram's state.
type world struct {
	me     telegram.Me
	chat   telegram.ChatInfo
	member telegram.Member
	other  int64 // another id by which the chat is seen
	hook   telegram.WebhookInfo
	// The outcomes of the questions; the zero value is success.
	asksMe, asksChat, asksMember telegram.Outcome
}

func (w world) GetMe(context.Context, secret.String) (telegram.Me, telegram.Outcome) {
	return w.me, w.asksMe
}

func (w world) GetChat(_ context.Context, _ secret.String, id int64) (telegram.ChatInfo, telegram.Outcome) {
	if id == w.other {
		return w.chat, telegram.Outcome{Kind: telegram.Done}
	}
	return w.chat, w.asksChat
}

func (w world) GetMember(context.Context, secret.String, int64, int64) (telegram.Member, telegram.Outcome) {
	return w.member, w.asksMember
}

func (w world) GetWebhook(context.Context, secret.String) (telegram.WebhookInfo, telegram.Outcome) {
	return w.hook, telegram.Outcome{Kind: telegram.Done}
}

func TestCast(t *testing.T) {
	t.Parallel()
	token := secret.New("1:a")
	done := telegram.Outcome{Kind: telegram.Done}
	for name, c := range map[string]struct {
		change func(*world, *roster.Cast)
		want   string // the findings that aren't ok: check, status and a part of Found
	}{
		"all is well": {func(*world, *roster.Cast) {}, ""},
		"no cast":     {func(_ *world, c *roster.Cast) { *c = roster.Cast{} }, "bot warning no bot takes part"},
		"another key": {func(_ *world, c *roster.Cast) { c.Bots[0].Secret = secret.String{} }, "bot failure can't be opened, chat failure none of its bots"},
		"a revoked token": {func(w *world, _ *roster.Cast) {
			w.asksMe = telegram.Outcome{Kind: telegram.PermanentBot, Status: 401, Description: "Unauthorized"}
		}, "bot failure refuses its token: Unauthorized, chat failure none of its bots"},
		"no network":            {func(w *world, _ *roster.Cast) { w.asksMe = telegram.Outcome{Kind: telegram.NotSent} }, "bot failure does not answer, chat failure none of its bots"},
		"another bot":           {func(w *world, _ *roster.Cast) { w.me.Username = "other_bot" }, "bot warning is @other_bot on Telegram"},
		"privacy mode":          {func(w *world, _ *roster.Cast) { w.me.ReadsAll = false }, "bot warning privacy mode on"},
		"updates are asked for": {func(w *world, _ *roster.Cast) { w.hook = telegram.WebhookInfo{Pending: 3} }, ""},
		"updates are brought": {func(w *world, _ *roster.Cast) {
			w.hook = telegram.WebhookInfo{URL: "https://x", LastErrorDate: time.Now().Add(-time.Hour).Unix(), LastError: "Connection refused"}
		}, ""},
		"updates can't be brought": {func(w *world, _ *roster.Cast) {
			w.hook = telegram.WebhookInfo{URL: "https://x", Pending: 7, LastErrorDate: time.Now().Add(-time.Hour).Unix(), LastError: "Connection refused"}
		}, "webhook failure can't bring its updates to https://x: Connection refused"},
		"an update could not be brought": {func(w *world, _ *roster.Cast) {
			w.hook = telegram.WebhookInfo{URL: "https://x", LastErrorDate: time.Now().Unix(), LastError: "SSL error"}
		}, "webhook failure SSL error"},
		"an unknown chat": {func(w *world, _ *roster.Cast) { w.asksChat = telegram.Outcome{Kind: telegram.PermanentMembership} }, "chat failure no bot can see it"},
		"an id as the web client shows it": {func(w *world, c *roster.Cast) {
			c.Chats[0].TelegramID, w.other = -1234567890, -1001234567890
			w.asksChat = telegram.Outcome{Kind: telegram.PermanentMembership}
			w.asksMember = telegram.Outcome{Kind: telegram.PermanentMembership}
		}, "chat failure sees Club by -1001234567890, member failure not in the group"},
		"a short id as the web client shows it": {func(w *world, c *roster.Cast) {
			c.Chats[0].TelegramID, w.other = -12345, -1000000012345
			w.asksChat = telegram.Outcome{Kind: telegram.PermanentMembership}
		}, "chat failure sees Club by -1000000012345"},
		"-100 before the id of a basic group": {func(w *world, c *roster.Cast) {
			c.Chats[0].TelegramID, w.other = -1001234567890, -1234567890
			w.asksChat = telegram.Outcome{Kind: telegram.PermanentMembership}
		}, "chat failure sees Club by -1234567890"},
		"closed for the night":         {func(w *world, _ *roster.Cast) { w.chat.SendClosed = true }, "member warning closed by its default permissions"},
		"closed, and an administrator": {func(w *world, _ *roster.Cast) { w.chat.SendClosed, w.member.Status = true, "administrator" }, ""},
		"closed, and muted besides": {func(w *world, _ *roster.Cast) {
			w.chat.SendClosed, w.member = true, telegram.Member{Status: telegram.Restricted, Present: true}
		}, "member failure may not send"},
		"closed to reactions": {func(w *world, _ *roster.Cast) { w.chat.ReactClosed = true }, "chat warning administrators react only"},
		"an upgraded chat": {func(w *world, _ *roster.Cast) {
			w.asksChat = telegram.Outcome{Kind: telegram.Moved, MigrateTo: -1001}
		}, "chat failure became the supergroup -1001"},
		"a basic group":  {func(w *world, _ *roster.Cast) { w.chat.Kind = roster.Group }, "chat warning basic group"},
		"a channel":      {func(w *world, _ *roster.Cast) { w.chat.Kind = "channel" }, "chat failure is a channel"},
		"no reactions":   {func(w *world, _ *roster.Cast) { w.chat.AvailableReactions = []string{} }, "chat warning allows no reactions"},
		"some reactions": {func(w *world, _ *roster.Cast) { w.chat.AvailableReactions = []string{"x"} }, ""},
		"left":           {func(w *world, _ *roster.Cast) { w.member.Status = telegram.Left }, "member failure not in the group"},
		"muted":          {func(w *world, _ *roster.Cast) { w.member = telegram.Member{Status: telegram.Restricted, Present: true} }, "member failure may not send"},
		"may still speak": {func(w *world, _ *roster.Cast) {
			w.member = telegram.Member{Status: telegram.Restricted, Present: true, CanSend: true}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{
				me: telegram.Me{Username: "anna_bot", ReadsAll: true}, chat: telegram.ChatInfo{Kind: roster.Supergroup, Title: "Club"},
				member: telegram.Member{Status: "member"}, asksMe: done, asksChat: done, asksMember: done,
			}
			cast := roster.Cast{
				Bots:  []roster.Bot{{Name: "anna", Username: "Anna_Bot", Enabled: true, Secret: token, AccountID: 1}},
				Chats: []roster.Chat{{Name: "club", TelegramID: -1002, Enabled: true, Cast: []string{"anna"}}},
			}
			c.change(&w, &cast)
			var bad []preflight.Finding
			for _, f := range preflight.Cast(t.Context(), w, cast) {
				if f.Status != preflight.OK {
					bad = append(bad, f)
				}
				if (f.Remedy == "") != (f.Status == preflight.OK) {
					t.Errorf("%+v: want a remedy where something is wrong", f)
				}
			}
			var want []string
			if c.want != "" {
				want = strings.Split(c.want, ", ")
			}
			if len(bad) != len(want) {
				t.Fatalf("found %+v, want %q", bad, want)
			}
			for i, f := range bad {
				part := strings.SplitN(want[i], " ", 3)
				if f.Check != part[0] || string(f.Status) != part[1] || !strings.Contains(f.Found, part[2]) {
					t.Errorf("found %+v, want %q", f, want[i])
				}
			}
		})
	}
}

func TestTableAndJSON(t *testing.T) {
	t.Parallel()
	var r preflight.Report
	r.Add(
		preflight.Finding{Status: preflight.OK, Check: "database", Found: "PostgreSQL 17"},
		preflight.Finding{Status: preflight.Failure, Check: "bot", Subject: "anna", Found: "broken\nin two", Remedy: "mend it"},
	)
	var table, text bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	want := "ok    database        PostgreSQL 17\nFAIL  bot       anna  broken in two\n                      → mend it\n\n1 failed, 0 warnings, 1 well.\n"
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Error(diff)
	}
	if err := r.WriteJSON(&text); err != nil || r.OK() || !strings.Contains(text.String(), `"ok": false`) {
		t.Errorf("got %s (%v)", text.String(), err)
	}
}
