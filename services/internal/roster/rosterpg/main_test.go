package rosterpg_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func pool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	p, err := pgxpool.New(t.Context(), testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func tokens(t *testing.T) rosterpg.Tokens {
	t.Helper()
	key, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.ParseKeys(key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return rosterpg.Tokens{Keyring: ring}
}

// cast returns a small one: two bots, one chat.
func cast() roster.Cast {
	bot := func(name string, account int64) roster.Bot {
		return roster.Bot{
			Name: name, Token: secret.Ref{Env: "T"}, Username: name + "_bot", Enabled: true, TypingWPM: 40, Tempo: 1.3, HourlyMax: 60,
			AccountID: account, Secret: secret.New("12345:" + name),
			Persona:  roster.Persona{DisplayName: name, Summary: "A reader.", Tone: "warm", Phrases: []string{"Oh!"}, Empathy: 0.7, Energy: 0.1},
			Stances:  []roster.Stance{{Topic: "endings", Stance: "They matter.", Confidence: 0.9}},
			Holdings: []roster.Holding{{Item: "novels", Quantity: 0.1}, {Item: "tea"}},
			Memories: []roster.Memory{{Kind: "fact", Content: "It rained.", Relevance: 0.5}},
		}
	}
	c := roster.Cast{
		Bots: []roster.Bot{bot("anna", 1), bot("bert", 2)},
		Chats: []roster.Chat{{
			Name: "club", TelegramID: -1001234567890, Title: "The club", Enabled: true, TimeZone: "UTC", Language: "en", Topics: []string{"endings"},
			MeanGap: 4e9, RetentionDays: 30, Cast: []string{"anna", "bert"},
		}},
	}
	c.Normalise()
	return c
}

func apply(t *testing.T, p *pgxpool.Pool, tk rosterpg.Tokens, c roster.Cast, prune bool) roster.Plan {
	t.Helper()
	plan, err := rosterpg.Apply(t.Context(), p, tk, rosterpg.Request{Wanted: c, Prune: prune})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func exec(t *testing.T, p *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := p.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// one reads a single value as text.
func one(t *testing.T, p *pgxpool.Pool, sql string, args ...any) string {
	t.Helper()
	var text string
	if err := p.QueryRow(t.Context(), "SELECT coalesce(("+sql+")::text, 'null')", args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}
