package telegramtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram/telegramtest"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/emulatortest"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func unlimited(c *emulator.Config) { c.Unlimited = true }

// bot registers a bot with the emulator.
func bot(t *testing.T, e *emulator.Emulator, username string) secret.String {
	t.Helper()
	_, token, err := e.World().RegisterBot(world.NewBot{Username: username})
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(token)
}

// group creates a group with both bots.
func group(t *testing.T, e *emulator.Emulator, c world.Chat) int64 {
	t.Helper()
	made, err := e.World().PutChat(world.NewChat{Chat: c, Members: []string{"ada_bot", "bob_bot", "Tom"}, Admins: []string{"Tom"}})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func TestTheEmulatorConforms(t *testing.T) {
	t.Parallel()
	e := emulatortest.Start(t, unlimited)
	picky, none := []string{"👍", "🔥"}, []string{}
	place := telegramtest.Place{
		URL: e.URL(), Ada: bot(t, e, "ada_bot"), Bob: bot(t, e, "bob_bot"),
		Supergroup: group(t, e, world.Chat{Kind: world.Supergroup, Title: "Supergroup"}),
		Group:      group(t, e, world.Chat{Kind: world.Group, Title: "Group"}),
		Picky:      group(t, e, world.Chat{Kind: world.Supergroup, Title: "Picky", Reactions: &picky}),
		Mute:       group(t, e, world.Chat{Kind: world.Supergroup, Title: "Mute", Reactions: &none}),
		Lost:       group(t, e, world.Chat{Kind: world.Supergroup, Title: "Lost"}),
		Old:        group(t, e, world.Chat{Kind: world.Group, Title: "Old"}),
	}
	if err := e.World().SetRole(place.Lost, "ada_bot", world.Kicked); err != nil {
		t.Fatal(err)
	}
	if _, err := e.World().Upgrade(place.Old); err != nil {
		t.Fatal(err)
	}
	telegramtest.Conform(t, place)
}

// The client's outcome of a call agrees with the call's effect.
func TestOutcomesAreTrue(t *testing.T) {
	t.Parallel()
	e := emulatortest.Start(t, unlimited)
	ada := bot(t, e, "ada_bot")
	bot(t, e, "bob_bot")
	chat := group(t, e, world.Chat{Kind: world.Supergroup, Title: "Supergroup"})
	cfg := telegram.DefaultConfig()
	cfg.URL, cfg.ConnectTimeout, cfg.Timeout = e.URL(), time.Second, 300*time.Millisecond
	client, err := telegram.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)

	for _, tc := range []struct {
		fault string
		want  telegram.Kind
		sent  bool
	}{
		{"", telegram.Done, true},
		{"sendMessage:latency=50ms", telegram.Done, true},
		{"sendMessage:reset_before", telegram.Unknown, false},
		{"sendMessage:reset_after", telegram.Unknown, true},
		{"sendMessage:hang", telegram.Unknown, false},
		{"sendMessage:hang_after", telegram.Unknown, true},
		{"sendMessage:500:Internal Server Error: restart", telegram.Unknown, false},
		{"sendMessage:502:body=html", telegram.Unknown, false},
		{"sendMessage:504:body=empty", telegram.Unknown, false},
		{"sendMessage:429:retry_after=7", telegram.RateLimited, false},
		{"sendMessage:429:retry_after=7:body=html", telegram.RateLimited, false},
		{"sendMessage:400:chat not found", telegram.PermanentMembership, false},
		{"sendMessage:400:something new", telegram.PermanentAction, false},
		{"sendMessage:401", telegram.PermanentBot, false},
		{"sendMessage:kicked", telegram.PermanentMembership, false},
	} {
		if _, err := e.Faults().Replace(rules(t, tc.fault)); err != nil {
			t.Fatal(err)
		}
		before := e.Calls().Last()
		out := client.SendMessage(t.Context(), ada, telegram.Message{ChatID: chat, Text: "hello"})
		if out.Kind != tc.want {
			t.Errorf("%s: %+v, want %v", tc.fault, out, tc.want)
		}
		if tc.want == telegram.RateLimited && out.RetryAfter != 7*time.Second {
			t.Errorf("%s: a wait of %v", tc.fault, out.RetryAfter)
		}
		call := logged(t, e, before)
		if sent := call.EffectMessageID != 0; sent != tc.sent || out.OK() && call.EffectMessageID != out.MessageID {
			t.Errorf("%s: the log has %+v, the client %+v", tc.fault, call, out)
		}
	}
}

func rules(t *testing.T, short string) []fault.Rule {
	t.Helper()
	if short == "" {
		return nil
	}
	// A description may contain colons; the short form can't.
	method, rest, _ := strings.Cut(short, ":")
	status, description, _ := strings.Cut(rest, ":Internal Server Error: ")
	r, err := fault.Parse(method + ":" + status)
	if err != nil {
		t.Fatal(err)
	}
	if description != "" {
		r.Description = description
	}
	return []fault.Rule{r}
}

// errFound stops reading the log.
var errFound = errors.New("found")

// logged returns the single call after a record, whatever its outcome. A call whose client
// has disconnected is logged a moment later.
func logged(t *testing.T, e *emulator.Emulator, after uint64) calllog.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := e.Calls().Read(ctx, calllog.Filter{Since: after, Follow: true}, func([]byte) error { return errFound }, nil)
	if !errors.Is(err, errFound) {
		t.Fatalf("no call was logged: %v", err)
	}
	records, err := e.Calls().Records(ctx, calllog.Filter{Since: after})
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 1 {
		t.Fatalf("%d calls, want 1", len(records))
	}
	return records[0]
}

// The client reports a group's limit of 20 messages a minute as RateLimited.
func TestFloodControlIsUnderstood(t *testing.T) {
	t.Parallel()
	e := emulatortest.Start(t)
	ada := bot(t, e, "ada_bot")
	bot(t, e, "bob_bot")
	chat := group(t, e, world.Chat{Kind: world.Supergroup, Title: "Supergroup"})
	cfg := telegram.DefaultConfig()
	cfg.URL = e.URL()
	client, err := telegram.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for range 100 {
		out := client.SendMessage(t.Context(), ada, telegram.Message{ChatID: chat, Text: "hello"})
		if out.Kind == telegram.Done {
			continue
		}
		if out.Kind != telegram.RateLimited || out.RetryAfter < time.Second || out.RetryAfter > time.Minute {
			t.Errorf("%+v", out)
		}
		return
	}
	t.Error("100 messages at once were not too many")
}
