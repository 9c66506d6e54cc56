package rostercache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// replica returns the roster of another process.
func replica(t *testing.T, pool *pgxpool.Pool, url string) *rostercache.Roster {
	t.Helper()
	client, err := redisdb.Open(redisdb.Config{URL: url, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	c := cache.New(cache.DefaultConfig(), client, nil, zap.NewNop())
	r := rostercache.New(pool, c)
	testenv.Background(t, c.Run)
	testenv.Background(t, listen.New(pool, zap.NewNop(), cachepg.New(pool, c, zap.NewNop()).Channel()).Run)
	testenv.Eventually(t, "changes are heard of", func() (string, bool) { return "", c.Connected() })
	return r
}

// all holds everything that a roster returns for some bots and chats.
type all struct {
	Bots     map[rostercache.BotID]rostercache.Bot
	Tokens   map[rostercache.BotID][]byte
	Personas map[rostercache.BotID]rostercache.Persona
	Stances  map[rostercache.BotID][]rostercache.Stance
	Holdings map[rostercache.BotID][]string
	Memories map[rostercache.BotID][]string
	Chats    map[rostercache.ChatID]rostercache.Chat
	Casts    map[rostercache.ChatID]rostercache.Cast
}

func read(t *testing.T, r *rostercache.Roster, bots []rostercache.BotID, chats []rostercache.ChatID) all {
	t.Helper()
	a := all{
		Tokens: map[rostercache.BotID][]byte{}, Personas: map[rostercache.BotID]rostercache.Persona{}, Holdings: map[rostercache.BotID][]string{},
		Memories: map[rostercache.BotID][]string{}, Chats: map[rostercache.ChatID]rostercache.Chat{}, Casts: map[rostercache.ChatID]rostercache.Cast{},
	}
	var err error
	if a.Bots, err = r.Bots(t.Context(), bots...); err != nil {
		t.Fatal(err)
	}
	if a.Stances, err = r.Stances(t.Context(), bots...); err != nil {
		t.Fatal(err)
	}
	for _, chat := range chats {
		c, found, err := r.Chat(t.Context(), chat)
		if err != nil {
			t.Fatal(err)
		}
		if found {
			a.Chats[chat] = c
		}
		if a.Casts[chat], err = r.Cast(t.Context(), chat); err != nil {
			t.Fatal(err)
		}
	}
	for _, bot := range bots {
		p, found, err := r.Persona(t.Context(), bot)
		if err != nil {
			t.Fatal(err)
		}
		if found {
			a.Personas[bot] = p
		}
		if b, found, err := r.Bot(t.Context(), bot); err != nil || found && !cmp.Equal(b, a.Bots[bot]) {
			t.Fatalf("bot %d alone is %+v (%v)", bot, b, err)
		}
		if a.Tokens[bot], err = r.Token(t.Context(), bot); err != nil {
			t.Fatal(err)
		}
		if a.Holdings[bot], err = r.Holdings(t.Context(), bot); err != nil {
			t.Fatal(err)
		}
		memories, err := r.Memories(t.Context(), bot)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range memories {
			a.Memories[bot] = append(a.Memories[bot], m.Content) // their strength changes with time
		}
	}
	return a
}

// After any change, by any statement, every replica returns the database's values, whether it reads
// the database or Redis.
func TestEveryChangeIsSeen(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	anna, ben := journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")
	chat := journaltest.Chat(t, pool, "books", anna, ben)
	bots := []rostercache.BotID{rostercache.BotID(anna), rostercache.BotID(ben), 1 << 40} // and one that doesn't exist
	chats := []rostercache.ChatID{rostercache.ChatID(chat), 1 << 40}
	url := testenv.Redis(t)
	truth := rostercache.New(pool, nil)
	replicas := []*rostercache.Roster{replica(t, pool, url), replica(t, pool, url)}
	for _, sql := range []string{
		`UPDATE bots SET typing_wpm = 80, username = 'anna_reads' WHERE id = %[1]d`,
		`UPDATE bots SET token_sealed = 'another', stopped_at = now(), stopped_why = 'refused' WHERE id = %[1]d`,
		`UPDATE bots SET removed_at = now() WHERE id = %[2]d`,
		`UPDATE personas SET summary = 'Reads.', phrases = '{Well,"So, then"}', interests = '{tea}', empathy = 0.25, hint = 'Short.' WHERE bot_id = %[1]d`,
		`INSERT INTO stances (bot_id, topic, stance, confidence) VALUES (%[1]d, 'tea', 'Yes.', 0.9), (%[1]d, 'books', 'Long ones.', 0.3)`,
		`UPDATE stances SET cooldown_until = now() + interval '1 hour' WHERE topic = 'tea'`,
		`INSERT INTO holdings (bot_id, item, quantity, note) VALUES (%[1]d, 'boat', 2.50, 'blue'), (%[1]d, 'axe', NULL, '')`,
		`DELETE FROM holdings WHERE item = 'axe'`,
		`INSERT INTO memories (bot_id, kind, content, relevance) VALUES (%[1]d, 'fact', 'Tea is served at four.', 0.5), (%[1]d, 'event', 'Met Tom.', 0.9), (%[2]d, 'fact', 'None.', 0.5)`,
		`UPDATE memories SET relevance = 0.1 WHERE content = 'Met Tom.'`,
		`UPDATE memories SET content = 'Tea is served at five.' WHERE kind = 'fact' AND bot_id = %[1]d`,
		`DELETE FROM memories WHERE kind = 'event'`,
		`UPDATE chats SET purpose = 'To talk.', disclaimer = 'Bots.', forbid_advice = true, time_zone = 'Europe/Paris' WHERE id = %[3]d`,
		`UPDATE chats SET telegram_id = -42, kind = 'group' WHERE id = %[3]d`,
		`UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked' WHERE bot_id = %[1]d`,
		`DELETE FROM cast_members WHERE bot_id = %[2]d`,
		`INSERT INTO cast_members (chat_id, bot_id) VALUES (%[3]d, %[2]d)`,
		`DELETE FROM personas WHERE bot_id = %[2]d`,
		`DELETE FROM cast_members`,
		`TRUNCATE stances`,
	} {
		for _, r := range replicas {
			read(t, r, bots, chats)
		}
		if _, err := pool.Exec(t.Context(), fmt.Sprintf(sql+`/* %[1]d %[2]d %[3]d */`, anna, ben, chat)); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		want := read(t, truth, bots, chats)
		for _, r := range replicas {
			testenv.Eventually(t, sql, func() (string, bool) {
				diff := cmp.Diff(want, read(t, r, bots, chats))
				return diff, diff == ""
			})
		}
	}
}

// A caller of Changed need not wait for the announcement.
func TestChanged(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "books", bot)
	r := replica(t, pool, testenv.Redis(t))
	plays := func() bool {
		cast, err := r.Cast(t.Context(), rostercache.ChatID(chat))
		if err != nil {
			t.Fatal(err)
		}
		return cast.Plays(rostercache.BotID(bot))
	}
	if !plays() {
		t.Fatal("the bot does not play")
	}
	if _, err := pool.Exec(t.Context(), `DELETE FROM cast_members`); err != nil {
		t.Fatal(err)
	}
	r.Changed(t.Context(), rostercache.BotID(bot), rostercache.ChatID(chat))
	if plays() {
		t.Error("the bot still plays")
	}
}
