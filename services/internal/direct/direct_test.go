package direct_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/direct"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

type fixture struct {
	*direct.Director

	t         *testing.T
	pool      *pgxpool.Pool
	chat      int64
	anna, ben int64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	f := &fixture{t: t, pool: journaltest.Open(t)}
	f.anna, f.ben = journaltest.Bot(t, f.pool, "anna"), journaltest.Bot(t, f.pool, "ben")
	f.chat = journaltest.Chat(t, f.pool, "club", f.anna, f.ben)
	f.Director = &direct.Director{Pool: f.pool, Journal: journal.New(f.pool)}
	return f
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.pool.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

func one[T any](f *fixture, sql string, args ...any) (v T) {
	f.t.Helper()
	if err := f.pool.QueryRow(f.t.Context(), sql, args...).Scan(&v); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// speech returns a valid speech, changed by change.
func (f *fixture) speech(change func(*direct.Speech)) direct.Speech {
	s := direct.Speech{Chat: f.chat, Bot: f.anna, Topic: "tea", By: "Kim", Request: "1", Good: time.Minute}
	if change != nil {
		change(&s)
	}
	return s
}

func TestWhoSpeaksNow(t *testing.T) {
	for name, c := range map[string]struct {
		sql    string
		change func(*direct.Speech)
		choose string // the planner's choice
		want   string // the speaker; else a part of the error
	}{
		"who is named":                          {want: "anna"},
		"while asleep":                          {sql: `UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')]`, want: "anna"},
		"whom the planner would choose":         {change: func(s *direct.Speech) { s.Bot = 0 }, choose: "ben", want: "ben"},
		"who was silent for longest":            {sql: `INSERT INTO messages (chat_id, bot_id, body, sent_at) SELECT c.id, b.id, 'x', now() FROM chats c, bots b WHERE b.name = 'anna'`, change: func(s *direct.Speech) { s.Bot = 0 }, want: "ben"},
		"not who is switched off":               {sql: `UPDATE bots SET enabled = false WHERE name = 'anna'`, want: "anna is switched off"},
		"not whom Telegram refuses there":       {sql: `UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked'`, want: "Telegram refuses anna: kicked"},
		"not whose token it refuses":            {sql: `UPDATE bots SET stopped_at = now(), stopped_why = 'token'`, want: "Telegram refuses anna: token"},
		"another than whom it refuses":          {sql: `UPDATE bots SET stopped_at = now(), stopped_why = 'token' WHERE name = 'ben'`, change: func(s *direct.Speech) { s.Bot = 0 }, choose: "ben", want: "anna"},
		"nobody of another cast":                {change: func(s *direct.Speech) { s.Bot = 99 }, want: direct.ErrNone.Error()},
		"nobody in a chat that is no more":      {sql: `UPDATE chats SET removed_at = now()`, want: direct.ErrNone.Error()},
		"nobody where it is switched off":       {sql: `UPDATE chats SET enabled = false`, want: "switched off"},
		"nobody during a pause of all":          {sql: `INSERT INTO pauses (chat_id, bot_id, by) VALUES (0, 0, 'Tom')`, want: "anna is paused here"},
		"nobody awake":                          {sql: `UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')]`, change: func(s *direct.Speech) { s.Bot = 0 }, want: "is asleep"},
		"a line that makes a human of a bot":    {change: func(s *direct.Speech) { s.Topic, s.Line = "", "I am human" }, want: "nothing that makes of a bot a human"},
		"a line that is too long":               {change: func(s *direct.Speech) { s.Topic, s.Line = "", strings.Repeat("a", 4097) }, want: "at most 4096"},
		"neither a line nor a topic":            {change: func(s *direct.Speech) { s.Topic = " " }, want: "either a line or a topic"},
		"a topic that is a text":                {change: func(s *direct.Speech) { s.Topic = strings.Repeat("a", 201) }, want: "at most 200"},
		"a request that can't be told from any": {change: func(s *direct.Speech) { s.Request = "" }, want: "request"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if c.sql != "" {
				f.exec(c.sql)
			}
			f.Honest = func(line string) bool { return line != "I am human" }
			f.Choose = func(context.Context, int64) (int64, error) {
				return map[string]int64{"": 0, "ben": f.ben}[c.choose], nil
			}
			id, err := f.Speak(t.Context(), f.speech(c.change))
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %s", err, c.want)
				}
				if n := one[int](f, `SELECT count(*) FROM turns`); n > 0 {
					t.Errorf("%d turns are planned", n)
				}
				return
			}
			if got := one[string](f, `SELECT name FROM bots b JOIN turns t ON t.bot_id = b.id WHERE turn_no = $1`, id.GetNumber()); got != c.want {
				t.Errorf("%s speaks, want %s", got, c.want)
			}
		})
	}
}

func TestALineIsSentAsItStandsWithTheDisclaimer(t *testing.T) {
	f := newFixture(t)
	f.exec(`UPDATE chats SET disclaimer = 'We are bots.'`)
	for line, want := range map[string]string{
		"Good evening,\nall.": "Good evening,\nall. We are bots.", "Hello. We are bots.": "Hello. We are bots.",
	} {
		id, err := f.Speak(t.Context(), f.speech(func(s *direct.Speech) { s.Topic, s.Line, s.Request = "", line, line }))
		if err != nil {
			t.Fatal(err)
		}
		if got := one[string](f, `SELECT body FROM deliveries WHERE lane = 'message' AND state = 'waiting' AND turn_no = $1`, id.GetNumber()); got != want {
			t.Errorf("%q is sent, want %q", got, want)
		}
	}
	id, err := f.Speak(t.Context(), f.speech(func(s *direct.Speech) { s.Topic, s.Line, s.Narrated = "", "Night falls.", true }))
	if err != nil {
		t.Fatal(err)
	}
	if got := one[string](f, `SELECT body FROM deliveries WHERE turn_no = $1`, id.GetNumber()); got != "— Night falls. We are bots." {
		t.Errorf("%q is told", got)
	}
	turn := &chorusv1.Turn{}
	if err := proto.Unmarshal(one[[]byte](f, `SELECT payload FROM turns WHERE turn_no = $1`, id.GetNumber()), turn); err != nil {
		t.Fatal(err)
	}
	if r := turn.GetReasons(); len(r) != 1 || r[0].GetRule() != "directed" || r[0].GetDetail() != "by Kim" {
		t.Errorf("its reasons are %v", r)
	}
}

// A request that is made many times, also concurrently, gets one turn.
func TestARequestGetsOneTurn(t *testing.T) {
	f := newFixture(t)
	const together = 8
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[int64]int{}
	for range together {
		all.Go(func() {
			id, err := f.Speak(t.Context(), f.speech(nil))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			got[id.GetNumber()]++
			mu.Unlock()
		})
	}
	all.Wait()
	if len(got) != 1 || got[1] != together || one[int64](f, `SELECT turn_no FROM chat_clock`) != 1 {
		t.Errorf("turns by number: %v", got)
	}
	other := journaltest.Chat(t, f.pool, "other", f.anna)
	var refused direct.RefusedError
	if _, err := f.Speak(t.Context(), f.speech(func(s *direct.Speech) { s.Chat = other })); !errors.As(err, &refused) {
		t.Errorf("the request of another chat: %v", err)
	}
}

func TestAPauseDropsWhatIsPlannedAndNotBeingSent(t *testing.T) {
	f := newFixture(t)
	for i, sql := range []string{
		`SELECT`, // to be written
		`UPDATE turns SET owner = 1, fence = 1, claimed_until = now() + interval '1 minute' WHERE turn_no = $1`,
		`UPDATE deliveries SET lane = lane WHERE turn_no = $1`, // to be sent
		`UPDATE deliveries SET state = 'sending', owner = 1, claimed_until = now() + interval '1 minute' WHERE turn_no = $1`,
		`UPDATE deliveries SET lane = 'command' WHERE turn_no = $1`,
	} {
		number := int64(i + 1)
		speech := f.speech(func(s *direct.Speech) { s.Request = string(rune('a' + i)) })
		if i >= 2 {
			speech.Topic, speech.Line = "", "Hello."
		}
		if _, err := f.Speak(t.Context(), speech); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			f.exec(sql, number)
		}
	}
	f.exec(`UPDATE turns SET kind = 'command' WHERE turn_no = 5`)
	if err := f.Pause(t.Context(), 0, f.ben, "Kim", 0); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		return one[string](f, `SELECT string_agg(coalesce(t.outcome, 'open') || coalesce(' ' || d.state, ''), ', ' ORDER BY turn_no) FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no)`)
	}
	if got := state(); got != "open, open, open waiting, open sending, open waiting" {
		t.Errorf("another is muted: %s", got)
	}
	if err := f.Pause(t.Context(), f.chat, f.anna, "Kim", time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != "expired, expired, expired closed, open sending, open waiting" {
		t.Errorf("it is muted: %s", got)
	}
	if got := one[string](f, `SELECT reason FROM turns WHERE turn_no = 1`); got != "muted by Kim" {
		t.Errorf("the reason is %q", got)
	}
}

func TestPausesAndScenesAreCheckedAndReplaced(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	var wrong *direct.WrongError
	var refused direct.RefusedError
	for what, c := range map[string]struct {
		err error
		as  any
	}{
		"a pause of a year and more": {f.Pause(ctx, f.chat, 0, "Kim", 366*24*time.Hour), &wrong},
		"the end of none":            {f.Resume(ctx, f.chat, 0), &refused},
		"a scene of a moment":        {f.SetScene(ctx, f.chat, "Rain.", "Kim", time.Second, nil), &wrong},
		"a scene without a text":     {f.SetScene(ctx, f.chat, " ", "Kim", time.Hour, nil), &wrong},
		"the end of no scene":        {f.EndScene(ctx, f.chat, nil), &refused},
	} {
		if !errors.As(c.err, c.as) {
			t.Errorf("%s: %v", what, c.err)
		}
	}
	for what, err := range map[string]error{
		"a chat":            f.Pause(ctx, 99, 0, "Kim", 0),
		"a bot":             f.Pause(ctx, f.chat, 99, "Kim", 0),
		"a chat of a scene": f.SetScene(ctx, 99, "Rain.", "Kim", time.Hour, nil),
		"scene of all":      f.SetScene(ctx, 0, "Rain.", "Kim", time.Hour, nil),
	} {
		if !errors.Is(err, direct.ErrNone) {
			t.Errorf("there is no such %s: %v", what, err)
		}
	}
	for _, text := range []string{"Rain.", "The storm\nhits."} {
		if err := f.SetScene(ctx, f.chat, text, "Kim", 20*time.Minute, nil); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := f.Scene(ctx, f.chat); err != nil || s == nil || s.Text != "The storm hits." || s.Ends.Sub(s.Begins) != 20*time.Minute {
		t.Errorf("%+v, %v", s, err)
	}
	for _, length := range []time.Duration{time.Hour, 0} {
		if err := f.Pause(ctx, 0, 0, "Kim", length); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := f.Pauses(ctx, f.chat); err != nil || len(all) != 1 || all[0].Until != nil {
		t.Errorf("%+v, %v", all, err)
	}
	if err := errors.Join(f.EndScene(ctx, f.chat, nil), f.Resume(ctx, 0, 0)); err != nil {
		t.Error(err)
	}
	if n := one[int](f, `SELECT count(*) FROM cache_changes WHERE tag IN ('chat.profile', 'chat.profile:' || (SELECT id FROM chats))`); n < 6 {
		t.Errorf("%d changes were announced", n)
	}
}
