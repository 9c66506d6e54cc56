package generator

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
	"github.com/chorus-cast/chorus/services/planner/simulate"
)

var (
	transcript = flag.String("transcript", "", "write what is said in the hour to this file")
	hour       = flag.Duration("hour", 6*time.Minute, "how much of the book club's time is played")
)

// TestAnHourOfTheBookClub plays the example's cast at its own pace, in simulated
// time and with everything else as it is: the planner's decisions, the scenes from
// the database, the offline provider, the guard. It plays minutes; run it with
// -hour 1h -transcript FILE to read a whole one.
func TestAnHourOfTheBookClub(t *testing.T) {
	t.Parallel()
	c := openClub(t)
	skipped, replies := 0, 0
	topics, texts := map[int64]string{}, map[int64]string{}
	related, unrelated := 0, 0
	var numbers []int64
	said := map[string]int{}
	var recent []string
	var out strings.Builder
	for _, turn := range simulate.Run(c.options(*hour)).Turns {
		if turn.Turn.Kind == decide.KindReaction {
			continue
		}
		if turn.Turn.Target != 0 && topics[turn.Turn.Target] == "" {
			continue // what it answers was not said
		}
		text, topic := c.say(turn)
		if text == "" {
			skipped++
			continue
		}
		topics[turn.Number], texts[turn.Number] = topic, text
		numbers = append(numbers, turn.Number)
		recent = append(recent, strings.ToLower(text))
		for _, window := range []string{turn.Bot, "chat"} {
			same := window + " " + strings.ToLower(text)
			if n := len(recent) - said[same]; said[same] > 0 && (window != "chat" || n <= chatWindow) {
				t.Errorf("#%d of %s was said %d messages ago: %q", turn.Number, turn.Bot, n, text)
			}
			said[same] = len(recent)
		}
		to := ""
		if turn.Turn.Target != 0 {
			replies++
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
		fmt.Fprintf(&out, "%s #%d %s%s: %s\n", turn.At.Format("15:04:05"), turn.Number, turn.Bot, to, text)
	}
	if *transcript != "" {
		if err := os.WriteFile(*transcript, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d messages, %d of them replies, and %d turns without a text; %d replies share a word with what they answer, %d with another message",
		len(topics), replies, skipped, related, unrelated/others)
	if 4*related < replies || others*related < 2*unrelated {
		t.Errorf("of %d replies %d share a word with what they answer, and %d with another message", replies, related, unrelated/others)
	}
	if len(topics) < 50 || skipped > len(topics)/20 {
		t.Errorf("%d messages and %d turns without a text", len(topics), skipped)
	}
}

// From so many messages before a reply there are so many that it hardly answers.
const elsewhere, others = 20, 10

// common are words of any talk in a book club.
const common = ` about after also because been before being could does down each even ever every from have having here into itself just least many
 might more most much must only other over quite rather really same some something such than that their them then there these they thing think this those
 though through very want were well what when where which while will with would your like good book books read novel never `

// sharesWord tells whether two texts have the beginning of a long word in common.
// Texts that are about the same often do, others seldom.
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

// club is the example's cast in a database.
type club struct {
	t     *testing.T
	g     *Generator
	chat  int64
	bots  map[string]int64
	cast  []decide.Bot
	rules decide.Chat
	began time.Time
}

func openClub(t *testing.T) *club {
	t.Helper()
	file, err := castfile.Load(filepath.Join("..", "..", "deploy", "examples", "book-club.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	pool := journaltest.Open(t)
	exec := func(sql string, args ...any) {
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
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
	repeats, err := newRepeats(pool, cfg.Similarity)
	if err != nil {
		t.Fatal(err)
	}
	g := &Generator{ // without a bus
		Deps: Deps{Pool: pool, Roster: rostercache.New(pool, nil), Texts: texts, Now: time.Now, Log: testenv.Logger(t)},
		cfg:  cfg, prompts: prompts, repeats: repeats, meanings: &meanings{},
	}
	g.past = batch.New(together(), g.pastOf)
	c := &club{t: t, g: g, bots: map[string]int64{}, began: time.Now().Add(-*hour)}
	var ids []int64
	for _, b := range file.Cast.Bots {
		id := journaltest.Bot(t, pool, b.Name)
		ids, c.bots[b.Name] = append(ids, id), id
		exec(`UPDATE personas SET display_name = $2, summary = $3, tone = $4, hint = $5, phrases = $6, interests = $7 WHERE bot_id = $1`,
			id, b.Persona.DisplayName, b.Persona.Summary, b.Persona.Tone, b.Persona.Hint, b.Persona.Phrases, b.Persona.Interests)
		bot := decide.Bot{
			ID: id, Name: b.Name, DisplayName: b.Persona.DisplayName, Enabled: true, Tempo: float64(b.Tempo), HourlyMax: b.HourlyMax,
			Interests: b.Persona.Interests, Empathy: float64(b.Persona.Empathy), Energy: float64(b.Persona.Energy),
		}
		for _, s := range b.Stances {
			exec(`INSERT INTO stances (bot_id, topic, stance, confidence) VALUES ($1, $2, $3, $4)`, id, s.Topic, s.Stance, s.Confidence)
			bot.Stances = append(bot.Stances, decide.Stance{Topic: s.Topic, Confidence: float64(s.Confidence)})
		}
		c.cast = append(c.cast, bot)
	}
	chat := file.Cast.Chats[0]
	c.chat = journaltest.Chat(t, pool, chat.Name, ids...)
	exec(`UPDATE chats SET purpose = $2, disclaimer = $3, topics = $4 WHERE id = $1`, c.chat, chat.Purpose, chat.Disclaimer, chat.Topics)
	c.rules = decide.Chat{ID: c.chat, Enabled: true, TimeZone: time.UTC, Topics: chat.Topics, MeanGap: chat.MeanGap}
	return c
}

func (c *club) options(d time.Duration) simulate.Options {
	return simulate.Options{
		Chats: []simulate.Chat{{Name: "book-club", Chat: c.rules, Cast: c.cast, Settings: planner.Effective(nil, 0)}},
		Start: c.began, Duration: d, Seed: 7,
	}
}

const wasSent = `
WITH turn AS (
    INSERT INTO turns (chat_id, turn_no, bot_id, kind, topic, payload, planned_at, due_at, expires_at, outcome, written_at, closed_at)
    VALUES ($1, $2, $3, 'message', $5, '', $7::timestamptz, $7, $7 + interval '1 hour', 'delivered', $7, $7) RETURNING *),
delivery AS (
    INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, body, created_at, state, outcome, closed_at)
    SELECT chat_id, turn_no, bot_id, 'send_message', 'message', '', expires_at, $6, planned_at, 'closed', outcome, closed_at FROM turn)
INSERT INTO messages (chat_id, number, bot_id, turn_no, reply_to, body, sent_at) VALUES ($1, $2, $3, $2, nullif($4::bigint, 0), $6, $7)`

// say writes a turn's text, and puts it where the sender would.
func (c *club) say(turn simulate.Turn) (text, topic string) {
	c.t.Helper()
	t := &chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: c.chat, Number: turn.Number}, BotId: c.bots[turn.Bot], TargetMessage: turn.Turn.Target, Topic: turn.Turn.Topic,
		Length: chorusv1.Length(turn.Turn.Length), Seed: turn.Turn.Seed, ExpiresAt: timestamppb.New(time.Now().Add(time.Minute)),
	}
	s, err := c.g.load(c.t.Context(), t)
	if err != nil {
		c.t.Fatal(err)
	}
	text, err = c.g.write(c.t.Context(), t, s)
	if err != nil {
		c.t.Logf("#%d: %v", turn.Number, err)
		return "", ""
	}
	_, err = c.g.Pool.Exec(c.t.Context(), wasSent, c.chat, turn.Number, t.GetBotId(), turn.Turn.Target, s.Topic, text, turn.At)
	if err != nil {
		c.t.Fatal(err)
	}
	return text, s.Topic
}
