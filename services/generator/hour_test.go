package generator

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
	"github.com/chorus-cast/chorus/services/planner/simulate"
)

var (
	transcript = flag.String("transcript", "", "write what is said in the hour to this file")
	hour       = flag.Duration("hour", 30*time.Minute, "how much of the book club's time is played")
)

// TestAnHourOfTheBookClub plays the example's cast at its own pace in simulated time. Everything
// else is real: the planner's decisions, the scenes from the database, the offline provider, the
// guard. It plays some minutes; to read a whole hour run it with -hour 1h -transcript FILE.
func TestAnHourOfTheBookClub(t *testing.T) {
	t.Parallel()
	c := openCast(t, "book-club", *hour, 7)
	skipped, replies, remarks := 0, 0, 0
	topics, texts := map[int64]string{}, map[int64]string{}
	related, unrelated := 0, 0
	var numbers []int64
	said := map[string]int{}
	var recent []string
	var out strings.Builder
	c.play(*hour, func(turn simulate.Turn) string {
		parts, topic := c.say(turn)
		if len(parts) == 0 {
			skipped++
			return ""
		}
		text := textOf(parts)
		topics[turn.Number], texts[turn.Number] = topic, text
		numbers = append(numbers, turn.Number)
		recent = append(recent, strings.ToLower(text))
		remark := len(strings.Fields(text)) <= remarkWords
		for _, window := range []string{turn.Bot, "chat"} {
			same := window + " " + strings.ToLower(text)
			if n := len(recent) - said[same]; said[same] > 0 && (!remark && (window != "chat" || n <= chatWindow) || n <= remarkWindow) {
				t.Errorf("#%d of %s was said %d messages ago: %q", turn.Number, turn.Bot, n, text)
			}
			said[same] = len(recent)
		}
		to := ""
		if turn.Turn.Target != 0 {
			replies++
			if remark {
				remarks++
			}
			to = fmt.Sprintf(" (to #%d)", turn.Turn.Target)
			if sharesWord(text, texts[turn.Turn.Target]) {
				related++
			}
			for i := range others {
				if sharesWord(text, texts[numbers[max(0, len(numbers)-elsewhere-i)]]) {
					unrelated++
				}
			}
			if want := topics[turn.Turn.Target]; topic != want {
				t.Errorf("#%d is about %s and answers #%d, which is about %s", turn.Number, topic, turn.Turn.Target, want)
			}
		}
		for _, p := range parts {
			fmt.Fprintf(&out, "%s #%d %s%s: %s\n", p.at.Format("15:04:05"), turn.Number, turn.Bot, to, p.text)
			to = ""
		}
		return text
	})
	if *transcript != "" {
		if err := os.WriteFile(*transcript, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d messages, %d of them replies, and %d turns without a text; %d replies share a word with what they answer, %d with another message",
		len(topics), replies, skipped, related, unrelated/others)
	// Remarks of a word or two have no word to share.
	if 4*related < replies-remarks || others*related < 2*unrelated {
		t.Errorf("of %d replies %d share a word with what they answer, and %d with another message", replies, related, unrelated/others)
	}
	if len(topics) < 50 || skipped > len(topics)/20 {
		t.Errorf("%d messages and %d turns without a text", len(topics), skipped)
	}
}

// A reply hardly answers a message that is at least elsewhere messages back; others is how many of
// those it is compared with.
const elsewhere, others = 20, 10

// common holds words that any talk in a book club has.
const common = ` about after also because been before being could does down each even ever every from have having here into itself just least many
 might more most much must only other over quite rather really same some something such than that their them then there these they thing think this those
 though through very want were well what when where which while will with would your like good book books read novel never `

// sharesWord reports whether two texts share the beginning of a long word. Texts about the same
// subject often do, others rarely.
func sharesWord(a, b string) bool {
	stems := map[string]bool{}
	for i, text := range []string{a, b} {
		for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
			if len(word) < 4 || strings.Contains(common, " "+word+" ") {
				continue
			}
			stem := word[:min(len(word), 5)]
			if i == 1 && stems[stem] {
				return true
			}
			if i == 0 {
				stems[stem] = true
			}
		}
	}
	return false
}

// exampleCast is the cast of an example in a database, with its first chat.
type exampleCast struct {
	t     testing.TB
	g     *Generator
	chat  int64
	bots  map[string]int64
	rules []simulate.Chat
	// began is the start of the play: now minus its duration.
	began time.Time
	// seed seeds the play.
	seed uint64
	// last is the time of the last message.
	last time.Time
}

// part is a message of a turn.
type part struct {
	number int64
	text   string
	at     time.Time
}

func textOf(parts []part) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.text
	}
	return strings.Join(texts, "\n")
}

// evening is the time of day, in the chat's zone, at which a play begins: all casts are awake then.
const evening = 18 * time.Hour

func openCast(t testing.TB, example string, played time.Duration, seed uint64) *exampleCast {
	t.Helper()
	file, err := castfile.Load(filepath.Join("..", "..", "deploy", "examples", example+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	pool := journaltest.Open(t)
	c := &exampleCast{t: t, g: newWriter(t, pool), bots: map[string]int64{}, began: time.Now().Add(-played).Truncate(time.Second), seed: seed}
	for i := range file.Cast.Bots {
		b := &file.Cast.Bots[i]
		b.AccountID, b.Secret = int64(i+1), secret.New(fmt.Sprintf("%d:%s", i+1, b.Name))
	}
	file.Cast.Chats = file.Cast.Chats[:1]
	file.Cast.Chats[0].TelegramID = -1001234567890
	key, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.ParseKeys(key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rosterpg.Apply(t.Context(), pool, rosterpg.Tokens{Keyring: keys}, rosterpg.Request{Wanted: file.Cast}); err != nil {
		t.Fatal(err)
	}
	if err := pool.QueryRow(t.Context(), `SELECT id FROM chats`).Scan(&c.chat); err != nil {
		t.Fatal(err)
	}
	var id int64
	var name string
	rows, err := pool.Query(t.Context(), `SELECT id, name FROM bots`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { c.bots[name] = id; return nil }); err != nil {
		t.Fatal(err)
	}
	c.rules, err = simulate.Chats(file.Cast, func(string) decide.Settings { return planner.Effective(nil, 0) })
	if err != nil {
		t.Fatal(err)
	}
	since := c.began.UTC().Sub(c.began.UTC().Truncate(24 * time.Hour))
	c.rules[0].Chat.TimeZone = time.FixedZone("", int((evening-since)/time.Second))
	return c
}

// newWriter returns a generator with the offline provider and without a bus.
func newWriter(t testing.TB, pool *pgxpool.Pool) *Generator {
	t.Helper()
	composer, err := offline.New()
	if err != nil {
		t.Fatal(err)
	}
	texts := chain.New([]chain.Link{{Name: "offline", Provider: composer, Limits: chain.DefaultLimits()}},
		chain.Deps{Ledger: usage.NewBook(pool, testenv.Logger(t)), Log: testenv.Logger(t)})
	prompts, err := prompt.New(prompt.Config{History: 15, Tokens: 3000})
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	g := &Generator{
		Deps: Deps{Pool: pool, Roster: rostercache.New(pool, nil), Texts: texts, Now: time.Now, Metrics: NewMetrics(nil), Log: testenv.Logger(t)},
		cfg:  cfg, prompts: prompts, meanings: &meanings{},
	}
	g.remember(0)
	return g
}

// play plans turns for a duration. For each turn but reactions, say returns its text; "" means
// none.
func (c *exampleCast) play(d time.Duration, say func(simulate.Turn) string) {
	simulate.Run(simulate.Options{Chats: c.rules, Start: c.began, Duration: d, Seed: c.seed, Text: say})
}

const (
	wasWritten = `
INSERT INTO turns (chat_id, turn_no, bot_id, kind, topic, payload, planned_at, due_at, expires_at, outcome, written_at, closed_at)
VALUES ($1, $2, $3, 'message', $4, '', $5::timestamptz, $5, $5 + interval '1 hour', $6, $5, $5)`
	wasSent = `
WITH delivery AS (
    INSERT INTO deliveries (chat_id, turn_no, part, bot_id, action, lane, payload, expires_at, body, created_at, state, outcome, closed_at)
    VALUES ($1, $2, $3, $4, 'send_message', 'message', '', $8::timestamptz + interval '1 hour', $7, $8, 'closed', 'delivered', $8))
INSERT INTO messages (chat_id, turn_no, part, bot_id, number, reply_to, body, sent_at) VALUES ($1, $2, $3, $4, $5, nullif($6::bigint, 0), $7, $8)`
)

// later is added to a turn's number for the messages after its first.
const later = 1_000_000

// say writes a turn's text and stores its messages as the sender would; none if the turn has no
// text.
func (c *exampleCast) say(turn simulate.Turn) (parts []part, topic string) {
	c.t.Helper()
	t := &chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: c.chat, Number: turn.Number}, BotId: c.bots[turn.Bot], TargetMessage: turn.Turn.Target, Topic: turn.Turn.Topic,
		Length: chorusv1.Length(turn.Turn.Length), Bubbles: turn.Turn.Bubbles, Seed: turn.Turn.Seed, ExpiresAt: timestamppb.New(time.Now().Add(time.Minute)),
	}
	s, err := c.g.load(c.t.Context(), t)
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := c.g.write(c.t.Context(), t, s)
	if err != nil {
		c.t.Logf("#%d: %v", turn.Number, err)
		if errors.Is(err, errPassed) {
			c.exec(wasWritten, c.chat, turn.Number, t.GetBotId(), s.Topic, turn.At, "passed")
		}
		return nil, ""
	}
	c.exec(wasWritten, c.chat, turn.Number, t.GetBotId(), s.Topic, turn.At, "delivered")
	p := part{number: turn.Number, at: turn.At}
	if p.at.Before(c.last) { // a chat's messages are sent one after the other
		p.at = c.last
	}
	for i, d := range c.g.deliveries(t, s, text) {
		if i > 0 {
			p.number, p.at = p.number+later, p.at.Add(d.GetTyping().AsDuration())
		}
		p.text = d.GetText()
		c.exec(wasSent, c.chat, turn.Number, i+1, t.GetBotId(), p.number, d.GetTargetMessage(), p.text, p.at)
		parts = append(parts, p)
	}
	c.last = p.at
	return parts, s.Topic
}

func (c *exampleCast) exec(sql string, args ...any) {
	c.t.Helper()
	if _, err := c.g.Pool.Exec(c.t.Context(), sql, args...); err != nil {
		c.t.Fatal(err)
	}
}
