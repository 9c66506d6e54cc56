package roster_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/rostertest"
)

func club() roster.Cast {
	bot := func(name string, account int64) roster.Bot {
		return roster.Bot{
			Name: name, Token: secret.Ref{Env: strings.ToUpper(name)}, Username: name + "_bot", Enabled: true, TypingWPM: 40, Tempo: 1, HourlyMax: 60,
			ID: account, AccountID: account, Secret: secret.New("1:secret-of-" + name),
			Persona: roster.Persona{DisplayName: name, Summary: "Reads.", Tone: "warm", Empathy: 0.5, Energy: 0.5},
			Stances: []roster.Stance{{Topic: "endings", Stance: "They matter.", Confidence: 0.5}},
		}
	}
	return roster.Cast{
		Bots: []roster.Bot{bot("anna", 1), bot("bert", 2)},
		Chats: []roster.Chat{{
			ID: 1, Name: "club", TelegramID: -1001234567890, Kind: roster.Supergroup, Enabled: true, TimeZone: "UTC", Language: "en",
			MeanGap: 30 * time.Second, RetentionDays: 30, Cast: []string{"anna", "bert"},
		}},
	}
}

func TestDiffShows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(current, wanted *roster.Cast)
		prune  bool
		want   string
	}{
		"nothing":             {func(_, _ *roster.Cast) {}, true, "nothing to change\n"},
		"the order of a cast": {func(_, w *roster.Cast) { w.Chats[0].Cast = []string{"bert", "anna"} }, true, "nothing to change\n"},
		"fields": {func(_, w *roster.Cast) {
			w.Bots[0].Persona.Tone, w.Bots[0].Tempo = "dry", 1.5
			w.Chats[0].MeanGap, w.Chats[0].Cast = time.Minute, []string{"anna"}
		}, false, `~ bot anna
    tempo: 1 -> 1.5
    persona.tone: "warm" -> "dry"
~ chat club
    mean_gap: 30s -> 1m
    cast: ["anna", "bert"] -> ["anna"]
0 to create, 2 to change, 0 to remove
`},
		"entries": {func(_, w *roster.Cast) {
			w.Bots[0].Stances = []roster.Stance{{Topic: "pacing", Stance: "Slow.", Confidence: 0.5}}
			w.Bots[1].Stances[0].Confidence = 1
		}, false, `~ bot anna
    stances["pacing"].stance: "Slow."
    stances["pacing"].confidence: 0.5
    stances["endings"].stance: "They matter." -> (none)
    stances["endings"].confidence: 0.5 -> (none)
~ bot bert
    stances["endings"].confidence: 0.5 -> 1
0 to create, 2 to change, 0 to remove
`},
		"long texts where they differ": {func(c, w *roster.Cast) {
			c.Bots[0].Persona.Summary = strings.Repeat("Reads on. ", 30) + "The end."
			w.Bots[0].Persona.Summary = strings.Repeat("Reads on. ", 30) + "No end."
		}, false, `~ bot anna
    persona.summary: …Reads on. Reads on. The end." -> …Reads on. Reads on. No end."
0 to create, 1 to change, 0 to remove
`},
		"tokens without showing them": {func(_, w *roster.Cast) { w.Bots[0].Secret = secret.New("1:another-secret") }, false, `~ bot anna
    token: (another one) -> env:ANNA
0 to create, 1 to change, 0 to remove
`},
		"what is missing, when pruning": {func(_, w *roster.Cast) { w.Bots, w.Chats = w.Bots[:1], nil }, true, `- chat club
- bot bert
0 to create, 0 to change, 2 to remove
`},
		"what comes back": {func(c, _ *roster.Cast) { c.Bots[0].Removed, c.Chats[0].Cast = true, []string{"bert"} }, false, `+ bot anna (comes back)
~ chat club
    cast: ["bert"] -> ["anna", "bert"]
1 to create, 1 to change, 0 to remove
`},
		"new names": {func(_, w *roster.Cast) {
			w.Bots[0].Name, w.Chats[0].Name, w.Chats[0].Cast = "anne", "circle", []string{"anne", "bert"}
		}, true, `~ bot anne
    token: (sealed for anna) -> env:ANNA
    name: "anna" -> "anne"
~ chat circle
    name: "club" -> "circle"
0 to create, 2 to change, 0 to remove
`},
		"what is left open": {func(c, w *roster.Cast) {
			c.Chats[0].Title, w.Chats[0].TelegramID = "The club", 0
			w.Bots[0].Username = ""
		}, true, "nothing to change\n"},
		"memories stay": {func(c, w *roster.Cast) {
			c.Bots[0].Memories = []roster.Memory{{Kind: "fact", Content: "Rain."}}
			w.Bots[0].Memories = []roster.Memory{{Kind: "fact", Content: "Sun."}}
		}, false, `~ bot anna
    memories["fact" "Sun."].relevance: 0
0 to create, 1 to change, 0 to remove
`},
		"memories go, when pruning": {func(c, _ *roster.Cast) { c.Bots[0].Memories = []roster.Memory{{Kind: "fact", Content: "Rain."}} }, true, `~ bot anna
    memories["fact" "Rain."].relevance: 0 -> (none)
0 to create, 1 to change, 0 to remove
`},
		"an upgraded group": {
			func(_, w *roster.Cast) { w.Chats[0].TelegramID, w.Chats[0].Kind = -12, roster.Group }, true,
			`! chat club was upgraded to a supergroup and stays telegram_id -1001234567890: put that id into the file
nothing to change
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			current, wanted := club(), club()
			c.change(&current, &wanted)
			got := roster.Diff(current, wanted, c.prune).String()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(got, "secret") {
				t.Error("a token is shown")
			}
		})
	}
}

func TestDiffShowsNewOnesWithoutDefaults(t *testing.T) {
	t.Parallel()
	wanted := club()
	wanted.Bots, wanted.Chats[0].Cast = wanted.Bots[:1], []string{"anna"}
	want := `+ bot anna
    token: env:ANNA
    name: "anna"
    username: "anna_bot"
    persona.display_name: "anna"
    persona.summary: "Reads."
    persona.tone: "warm"
    stances["endings"].stance: "They matter."
    stances["endings"].confidence: 0.5
+ chat club
    name: "club"
    telegram_id: -1001234567890
    kind: "supergroup"
    cast: ["anna"]
2 to create, 0 to change, 0 to remove
`
	if diff := cmp.Diff(want, roster.Diff(roster.Cast{}, wanted, true).String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// After a plan is carried out, the next plan is empty.
func TestDiffConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		current, wanted := rostertest.Any().Draw(t, "current"), rostertest.Any().Draw(t, "wanted")
		for i := range current.Bots {
			current.Bots[i].ID = int64(i + 1)
		}
		if plan := roster.Diff(current, current, true); !plan.Empty() {
			t.Fatalf("a cast differs from itself:\n%s", plan)
		}
		plan := roster.Diff(current, wanted, true)
		var next roster.Cast
		for _, b := range wanted.Bots {
			next.Bots = append(next.Bots, b)
			for _, c := range plan.Changes {
				if c.Bot != nil && c.Bot.Name == b.Name && c.Op != roster.Remove {
					next.Bots[len(next.Bots)-1] = *c.Bot
				}
			}
		}
		for _, chat := range wanted.Chats {
			next.Chats = append(next.Chats, chat)
			for _, c := range plan.Changes {
				if c.Chat != nil && c.Chat.Name == chat.Name && c.Op != roster.Remove {
					next.Chats[len(next.Chats)-1] = *c.Chat
				}
			}
		}
		if again := roster.Diff(next, wanted, true); !again.Empty() {
			t.Fatalf("after\n%s\nthere is still\n%s", plan, again)
		}
	})
}
