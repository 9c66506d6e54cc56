package refusal_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram/telegramtest"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// place is a bot in a chat, with a Telegram server whose answers the test sets.
type place struct {
	t         *testing.T
	pool      *pgxpool.Pool
	telegram  *telegramtest.Server
	client    *telegram.Client
	looker    *refusal.Looker
	bot, chat int64
	turns     int
}

func newPlace(t *testing.T) *place {
	t.Helper()
	t.Parallel()
	p := &place{t: t, pool: journaltest.Open(t), telegram: telegramtest.New(t)}
	p.bot = journaltest.Bot(t, p.pool, "anna")
	p.chat = journaltest.Chat(t, p.pool, "club", p.bot)
	cfg := telegram.DefaultConfig()
	cfg.URL = p.telegram.URL
	var err error
	if p.client, err = telegram.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.client.Close)
	p.looker = p.look()
	return p
}

func (p *place) look() *refusal.Looker {
	return refusal.NewLooker(refusal.Deps{
		Pool: p.pool, Telegram: p.client, Log: zap.NewNop(),
		Open: func(string, []byte) (secret.String, error) { return secret.New("12345:abc"), nil },
	})
}

func (p *place) exec(sql string, args ...any) {
	p.t.Helper()
	if _, err := p.pool.Exec(p.t.Context(), sql, args...); err != nil {
		p.t.Fatal(err)
	}
}

// pass makes all tries due and runs them.
func (p *place) pass() {
	p.t.Helper()
	p.exec(`UPDATE cast_members SET next_try_at = now() WHERE next_try_at <> 'infinity'`)
	p.exec(`UPDATE bots SET next_try_at = now() WHERE next_try_at IS NOT NULL`)
	p.exec(`UPDATE chats SET reactions_next_at = now() WHERE reactions_next_at IS NOT NULL`)
	p.round()
}

func (p *place) round() {
	p.t.Helper()
	if err := p.looker.Round(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) states() []rosterpg.Refusal {
	p.t.Helper()
	states, err := rosterpg.RefusalsIn(p.t.Context(), p.pool, p.chat)
	if err != nil {
		p.t.Fatal(err)
	}
	return states
}

// shows checks the texts of all refusals.
func (p *place) shows(words ...string) {
	p.t.Helper()
	var all []string
	for _, s := range p.states() {
		all = append(all, s.String())
	}
	got := strings.Join(all, "\n")
	for _, w := range words {
		if !strings.Contains(got, w) {
			p.t.Errorf("%q is not in %q", w, got)
		}
	}
}

// state returns the refusals, with the minutes until the next try, such as "bot_suspended 1".
func (p *place) state() string {
	p.t.Helper()
	var all []string
	for _, s := range p.states() {
		wait := "never"
		if !s.NextTry.IsZero() {
			wait = fmt.Sprint(time.Until(s.NextTry).Round(time.Minute).Minutes())
		}
		all = append(all, s.What()+" "+wait)
	}
	return strings.Join(all, ", ")
}

func (p *place) is(want string) {
	p.t.Helper()
	if got := p.state(); got != want {
		p.t.Errorf("refused is %q, want %q", got, want)
	}
}

func (p *place) suspend(why string) {
	p.t.Helper()
	if _, err := rosterpg.Suspend(p.t.Context(), p.pool, p.chat, p.bot, why); err != nil {
		p.t.Fatal(err)
	}
}

// ended inserts a turn that has ended.
func (p *place) ended(kind, outcome string) {
	p.t.Helper()
	p.turns++
	target, action, lane := any(nil), "send_message", "message"
	if kind != "message" {
		target = 1
	}
	if kind == "reaction" {
		action, lane = "set_reaction", "reaction"
	}
	p.exec(`
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at, outcome, closed_at, written_at)
VALUES ($1, $2, $3, $4, $5, '', now(), now(), now() + interval '1 minute', $6, now(), now())`, p.chat, p.turns, p.bot, kind, target, outcome)
	p.exec(`
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, state, outcome, closed_at)
VALUES ($1, $2, $3, $5, $6, '', now(), 'closed', $4, now())`, p.chat, p.turns, p.bot, outcome, action, lane)
	p.exec(`UPDATE chat_clock SET turn_no = $2 WHERE chat_id = $1`, p.chat, p.turns)
}

// unsent inserts a turn whose text was rejected before it was sent.
func (p *place) unsent() {
	p.t.Helper()
	p.ended("message", "rejected")
	p.exec(`DELETE FROM deliveries WHERE chat_id = $1 AND turn_no = $2`, p.chat, p.turns)
}

func (p *place) says(status, permissions string) {
	p.telegram.On("getChat", telegramtest.Result(`{"id":-1001,"type":"supergroup","permissions":`+permissions+`}`))
	p.telegram.On("getChatMember", telegramtest.Result(`{"status":"`+status+`"}`))
}

const (
	open   = `{"can_send_messages":true,"can_react_to_messages":true}`
	closed = `{"can_send_messages":false,"can_react_to_messages":false}`
	rights = "Bad Request: not enough rights to send text messages to the chat"
)

// A group that is closed for a night is looked at less and less often, and the bot acts in it again
// without anybody's help.
func TestASuspensionEndsByItself(t *testing.T) {
	p := newPlace(t)
	p.suspend(rights)
	p.is("bot_suspended 1")
	p.round()
	if n := len(p.telegram.Calls()); n != 0 {
		t.Errorf("%d calls before the time of the try", n)
	}
	for _, minutes := range []string{"2", "4", "8", "16", "32", "64", "128", "256", "360", "360"} {
		p.says("member", closed)
		p.pass()
		p.is("bot_suspended " + minutes)
	}
	since := p.states()[0].Since
	p.says("member", open)
	p.pass()
	p.is("bot_on_trial never")
	// Until a message is delivered, the next refusal makes a long pause instead of a first one, and
	// Since stays that of the first refusal.
	p.suspend(rights)
	p.is("bot_suspended 360")
	if again := p.states()[0].Since; !again.Equal(since) {
		t.Errorf("it began at %v and then at %v", since, again)
	}
	p.says("member", open)
	p.pass()
	p.ended("message", "delivered")
	p.round()
	p.is("")
	p.suspend(rights)
	p.is("bot_suspended 1")
}

func TestWhatALookFinds(t *testing.T) {
	t.Parallel()
	step := func(s ...telegramtest.Step) []telegramtest.Step { return s }
	chat := func(permissions string) []telegramtest.Step {
		return step(telegramtest.Result(`{"id":-1001,"type":"supergroup","permissions":` + permissions + `}`))
	}
	for name, c := range map[string]struct {
		chat, member []telegramtest.Step
		want         string
	}{
		"an administrator of a closed group": {chat(closed), step(telegramtest.Result(`{"status":"administrator"}`)), "bot_on_trial never"},
		"an old server":                      {step(telegramtest.Result(`{"id":-1001,"type":"supergroup"}`)), step(telegramtest.Result(`{"status":"member"}`)), "bot_on_trial never"},
		"a muted bot":                        {chat(open), step(telegramtest.Result(`{"status":"restricted","is_member":true,"can_send_messages":false}`)), "bot_suspended 2"},
		"a bot that was removed":             {chat(open), step(telegramtest.Result(`{"status":"left"}`)), "bot_suspended 2"},
		"a bot that was kicked":              {step(telegramtest.Refuse(403, "Forbidden: bot was kicked from the supergroup chat", "")), nil, "bot_suspended 2"},
		"another id":                         {step(telegramtest.Refuse(400, "Bad Request: chat not found", "")), nil, "bot_suspended 2"},
		"Telegram is ill":                    {step(telegramtest.Refuse(502, "Bad Gateway", "")), nil, "bot_suspended 1"},
		"a long wait":                        {step(telegramtest.Refuse(429, "Too Many Requests: retry after 600", `{"retry_after":600}`)), nil, "bot_suspended 10"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.suspend(rights)
			p.telegram.On("getChat", c.chat...)
			p.telegram.On("getChatMember", c.member...)
			p.pass()
			p.is(c.want)
		})
	}
}

// No cast plays in the operators' chat, so it is disabled; the bot that shows texts there comes
// back all the same. In another disabled chat nobody looks.
func TestASuspensionInTheOperatorsChatEndsByItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		chat, want string // chat: change of the chat; want: refusals after it
		calls      int
	}{
		"a group":              {`enabled = false`, "bot_on_trial never", 2},
		"an upgraded group":    {`enabled = false, former_id = telegram_id, telegram_id = -1009999999999`, "bot_on_trial never", 2},
		"a private chat":       {`enabled = false, kind = 'private', telegram_id = 4242`, "bot_on_trial never", 1},
		"another chat":         {`enabled = false`, "bot_suspended 5", 0},
		"a chat that was left": {`enabled = false, removed_at = now()`, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			if name != "another chat" {
				p.exec(`INSERT INTO settings (key, value) SELECT 'approval_chat', to_jsonb(CASE WHEN $1 THEN 4242 ELSE telegram_id END) FROM chats`, name == "a private chat")
			}
			p.exec(`UPDATE chats SET ` + c.chat)
			p.suspend(rights)
			p.says("member", open)
			p.pass()
			p.is(c.want)
			if n := len(p.telegram.Calls()); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
		})
	}
}

func TestAStoppedBotStartsByItself(t *testing.T) {
	p := newPlace(t)
	stop := func() {
		t.Helper()
		p.telegram.On("getMe", telegramtest.Refuse(404, "Not Found", ""))
		judge := refusal.Judge{Pool: p.pool, Telegram: p.client}
		token := refusal.Token{Bot: p.bot, Sealed: []byte("anna"), Opened: secret.New("12345:abc")}
		if stopped, err := judge.Refused(t.Context(), token); !stopped || err != nil {
			t.Fatal(stopped, err)
		}
	}
	stop()
	p.is("bot_stopped 1")
	for _, minutes := range []string{"2", "4", "8"} {
		p.telegram.On("getMe", telegramtest.Refuse(401, "Unauthorized", ""))
		p.pass()
		p.is("bot_stopped " + minutes)
	}
	p.telegram.On("getMe", telegramtest.Refuse(500, "Internal Server Error: restart", ""))
	p.pass()
	p.is("bot_stopped 1") // no answer, so the pause doesn't grow
	p.pass()              // the server's own answer
	p.is("")
	stop()
	p.is("bot_stopped 1")
}

// A token that is refused in one call doesn't stop its bot.
func TestGetMeDecides(t *testing.T) {
	p := newPlace(t)
	judge := refusal.Judge{Pool: p.pool, Telegram: p.client}
	token := refusal.Token{Bot: p.bot, Sealed: []byte("anna"), Opened: secret.New("12345:abc")}
	for _, step := range []telegramtest.Step{
		telegramtest.Result(`{"id":1,"is_bot":true,"first_name":"Anna","username":"anna_bot"}`),
		telegramtest.Refuse(502, "Bad Gateway", ""),
		telegramtest.Refuse(429, "Too Many Requests: retry after 5", `{"retry_after":5}`),
		telegramtest.Refuse(400, "Bad Request: Logged out", ""),
	} {
		p.telegram.On("getMe", step)
		if stopped, err := judge.Refused(t.Context(), token); stopped || err != nil {
			t.Error(stopped, err)
		}
	}
	p.is("")
	p.telegram.On("getMe", telegramtest.Refuse(401, "Unauthorized", ""))
	token.Sealed = []byte("the former one")
	if _, err := judge.Refused(t.Context(), token); err != nil {
		t.Error(err)
	}
	p.is("") // the bot has another token now
}

// A bot whose messages are all rejected rests, whatever the reasons; after that pause one rejection
// is enough.
func TestRest(t *testing.T) {
	p := newPlace(t)
	reject := func() bool {
		t.Helper()
		p.ended("message", "rejected")
		rests, err := rosterpg.Rest(t.Context(), p.pool, p.chat, p.bot, "Bad Request: TOPIC_CLOSED", 3)
		if err != nil {
			t.Fatal(err)
		}
		return rests.Begun
	}
	if first, second := reject(), reject(); first || second {
		t.Error("it rests too soon")
	}
	p.ended("message", "delivered")
	p.ended("reaction", "rejected")
	p.ended("message", "expired")
	p.unsent()
	if first, second := reject(), reject(); first || second {
		t.Error("it rests though a message was delivered in between, and a text that was no good was never sent")
	}
	if !reject() {
		t.Error("it doesn't rest")
	}
	p.is("bot_resting 1")
	for _, minutes := range []string{"2", "4"} {
		p.says("member", open)
		p.pass()
		p.is("bot_on_trial never")
		if !reject() {
			t.Error("it is not enough that it is rejected again")
		}
		p.is("bot_resting " + minutes)
	}
	p.says("member", open)
	p.pass()
	p.ended("message", "delivered")
	p.round()
	if reject() {
		t.Error("it rests after a message was delivered")
	}
}

func TestReactionsAreAllowedAgain(t *testing.T) {
	p := newPlace(t)
	closes := func(want bool) {
		t.Helper()
		p.ended("reaction", "rejected")
		if is, err := rosterpg.CloseReactions(t.Context(), p.pool, p.chat, p.bot, "Bad Request: REACTION_INVALID", 2); err != nil || is != want {
			t.Fatal(is, err)
		}
	}
	allowed := func(want string) {
		t.Helper()
		var got string
		if err := p.pool.QueryRow(t.Context(), `SELECT coalesce(allowed_reactions::text, 'all') FROM chats`).Scan(&got); err != nil || got != want {
			t.Errorf("%s are allowed, want %s (%v)", got, want, err)
		}
	}
	closes(false)
	closes(true)
	allowed("{}")
	p.is("reactions_closed 1")
	p.says("member", closed)
	p.pass()
	p.is("reactions_closed 2")
	p.shows("without reactions", "REACTION_INVALID")
	allowed("{}")
	p.says("member", open)
	p.pass()
	allowed("all")
	p.is("")
	closes(true)
	if was, err := rosterpg.ResumeChat(t.Context(), p.pool, "club"); err != nil || len(was) != 1 || was[0].What() != rosterpg.ReactionsClosed {
		t.Errorf("resumed %v (%v), want the reactions", was, err)
	}
	p.is("")
	// Telegram's own list of reactions can change back, too.
	if err := rosterpg.AllowReactions(t.Context(), p.pool, p.chat, []string{}); err != nil {
		t.Fatal(err)
	}
	p.shows("the chat allows none")
	p.telegram.On("getChat", telegramtest.Result(`{"id":-1001,"type":"supergroup","available_reactions":[]}`))
	p.telegram.On("getChatMember", telegramtest.Result(`{"status":"member"}`))
	p.pass()
	allowed("{}")
	p.telegram.On("getChat", telegramtest.Result(`{"id":-1001,"type":"supergroup","available_reactions":[{"type":"emoji","emoji":"🔥"}]}`))
	p.telegram.On("getChatMember", telegramtest.Result(`{"status":"member"}`))
	p.pass()
	allowed("{🔥}")
}

// Only one of several processes makes a try.
func TestATryIsMadeOnce(t *testing.T) {
	p := newPlace(t)
	p.suspend(rights)
	p.exec(`UPDATE cast_members SET next_try_at = now()`)
	for range 8 {
		p.says("member", closed)
	}
	var looking sync.WaitGroup
	for range 8 {
		looking.Go(func() {
			if err := p.look().Round(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	looking.Wait()
	if n := len(p.telegram.Calls()); n != 2 {
		t.Errorf("%d calls, want getChat and getChatMember once", n)
	}
	p.is("bot_suspended 2")
}

// A bot that an administrator made quiet stays quiet: neither Telegram's answers nor the end of a
// suspension change that.
func TestQuietStays(t *testing.T) {
	p := newPlace(t)
	p.suspend(rights)
	if done, err := rosterpg.Quiet(t.Context(), p.pool, p.chat, p.bot); !done || err != nil {
		t.Fatal(done, err)
	}
	p.pass()
	if _, err := rosterpg.Resume(t.Context(), p.pool, p.chat, p.bot); err != nil {
		t.Fatal(err)
	}
	if _, err := rosterpg.ResumeChat(t.Context(), p.pool, "club"); err != nil {
		t.Fatal(err)
	}
	if err := rosterpg.TryNow(t.Context(), p.pool, []string{"anna"}, []string{"club"}); err != nil {
		t.Fatal(err)
	}
	p.round()
	p.is(" never")
	if n := len(p.telegram.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
	if done, err := rosterpg.Unquiet(t.Context(), p.pool, p.chat, p.bot); !done || err != nil {
		t.Fatal(done, err)
	}
	p.is("")
}

func TestResumeByHand(t *testing.T) {
	p := newPlace(t)
	other := journaltest.Bot(t, p.pool, "ben")
	p.exec(`INSERT INTO cast_members (chat_id, bot_id) VALUES ($1, $2)`, p.chat, other)
	p.suspend(rights)
	if _, err := rosterpg.Suspend(t.Context(), p.pool, p.chat, other, rights); err != nil {
		t.Fatal(err)
	}
	if _, err := rosterpg.Stop(t.Context(), p.pool, p.bot, []byte("anna"), "Unauthorized"); err != nil {
		t.Fatal(err)
	}
	p.is("bot_stopped 1, bot_suspended 1, bot_suspended 1")
	was, err := rosterpg.ResumeBot(t.Context(), p.pool, "anna")
	if err != nil || len(was) != 2 || !strings.Contains(was[0].String(), "Unauthorized") {
		t.Errorf("%v, %v", was, err)
	}
	p.is("bot_suspended 1")
	was, err = rosterpg.ResumeChat(t.Context(), p.pool, "club")
	if err != nil || len(was) != 1 || was[0].Bot != "ben" {
		t.Errorf("%v, %v", was, err)
	}
	p.is("")
}

// A person's message suggests that the group is open: it is looked at once, at most once a minute,
// and the pause stays the same.
func TestAPersonsMessageHasItLookedAgain(t *testing.T) {
	p := newPlace(t)
	p.suspend(rights)
	p.says("member", closed)
	p.pass() // a failed look; the next in 2 minutes
	p.is("bot_suspended 2")
	writes := func() int {
		t.Helper()
		before := len(p.telegram.Calls())
		p.exec(rosterpg.HintLook, []int64{p.chat})
		p.round()
		return len(p.telegram.Calls()) - before
	}
	ago := func() {
		p.exec(`UPDATE cast_members SET looked_at = looked_at - interval '1 minute', hinted_at = hinted_at - interval '1 minute'`)
	}
	if n := writes(); n != 0 {
		t.Errorf("%d calls within a minute after a look", n)
	}
	ago()
	p.says("member", closed)
	for i, want := range []bool{true, false, false} {
		if n := writes(); (n > 0) != want {
			t.Errorf("the %d. message makes %d calls", i+1, n)
		}
	}
	p.is("bot_suspended 2")
	p.says("member", open)
	ago()
	if n := writes(); n == 0 {
		t.Error("it is not looked whether the group is open")
	}
	p.is("bot_on_trial never")
	// A message starts no look if a trial after an earlier look failed, or if messages were
	// rejected.
	p.suspend(rights)
	ago()
	if n := writes(); n != 0 {
		t.Errorf("%d calls after a try that failed", n)
	}
	p.exec(`UPDATE cast_members SET suspended_why = $1, resumed_at = NULL`, rosterpg.Resting+"TOPIC_CLOSED")
	if n := writes(); n != 0 {
		t.Errorf("%d calls for a bot whose messages were rejected", n)
	}
	p.exec(`UPDATE cast_members SET suspended_why = $1`, rosterpg.Quieted)
	if n := writes(); n != 0 {
		t.Errorf("%d calls for a bot that is to be quiet", n)
	}
}

// A process of the previous version doesn't know the new columns.
func TestWhatAnOlderVersionSuspends(t *testing.T) {
	p := newPlace(t)
	p.exec(`UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked'`)
	p.exec(`UPDATE bots SET stopped_at = now(), stopped_why = 'Unauthorized'`)
	p.round() // the bot starts first
	p.exec(`UPDATE cast_members SET next_try_at = NULL`)
	p.says("member", open)
	p.round()
	p.is("")
}
