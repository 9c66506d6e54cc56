package rosterpg_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/roster/rostertest"
)

// Any cast can follow any other: it is stored as given, applying it again changes nothing, and its
// export reads back to it.
func TestAnyCastAfterAnyOther(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	for seed := range 30 {
		want := rostertest.Any().Example(seed)
		apply(t, p, tk, want, true)
		if again := apply(t, p, tk, want, true); !again.Empty() {
			t.Fatalf("applying cast %d again:\n%s", seed, again)
		}
		stored, err := rosterpg.Read(t.Context(), p, tk)
		if err != nil {
			t.Fatal(err)
		}
		file, err := castfile.Parse("export", castfile.Format(stored.Present()))
		if err != nil {
			t.Fatal(err)
		}
		if plan := roster.Diff(stored, file.Cast, true); !plan.Empty() {
			t.Fatalf("the export of cast %d differs:\n%s", seed, plan)
		}
		oneByOne(t, p, tk, stored)
	}
}

// oneByOne reads each bot and each chat alone: it equals that in the whole cast, and pruned bots
// are not found.
func oneByOne(t *testing.T, p *pgxpool.Pool, tk rosterpg.Tokens, stored roster.Cast) {
	t.Helper()
	for i := range stored.Bots {
		b := stored.Bots[i]
		found, err := rosterpg.ReadBot(t.Context(), p, tk, b.Name)
		if err != nil {
			t.Fatal(err)
		}
		var want, plays []string
		for _, c := range stored.Present().Chats {
			if slices.Contains(c.Cast, b.Name) {
				want = append(want, c.Name)
			}
		}
		for _, c := range found.Chats {
			plays = append(plays, c.Name)
		}
		if b.Removed != (len(found.Bots) == 0) || !b.Removed && (!reflect.DeepEqual(found.Bots[0], b) || !slices.Equal(plays, want)) {
			t.Errorf("bot %s alone is %+v in %v, want %+v in %v", b.Name, found.Bots, plays, b, want)
		}
	}
	for _, c := range stored.Chats {
		found, err := rosterpg.ReadChat(t.Context(), p, c.Name)
		if err != nil {
			t.Fatal(err)
		}
		if c.Removed != (len(found.Chats) == 0) || !c.Removed && !reflect.DeepEqual(found.Chats[0], c) {
			t.Errorf("chat %s alone is %+v, want %+v", c.Name, found.Chats, c)
		}
	}
}

// Another bot can take the account of a pruned one.
func TestPrunedBotsLetGoOfTheirAccounts(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	c := cast()
	taken := c.Bots[1]
	c.Bots, c.Chats[0].Cast = c.Bots[:1], []string{"anna"}
	apply(t, p, tk, c, true)
	c.Bots[0].AccountID, c.Bots[0].Secret, c.Bots[0].Username = taken.AccountID, taken.Secret, taken.Username
	apply(t, p, tk, c, true)
	if got := one(t, p, `SELECT string_agg(name || coalesce(telegram_id::text || username, ''), ',' ORDER BY id) FROM bots`); got != "anna2bert_bot,bert" {
		t.Errorf("accounts are %s", got)
	}
}

func TestApplyTwiceLeavesTheSealedTokens(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	rows := `SELECT string_agg(b::text, '|' ORDER BY id) FROM bots b`
	before := one(t, p, rows)
	if plan := apply(t, p, tk, cast(), true); !plan.Empty() {
		t.Errorf("the second plan is not empty:\n%s", plan)
	}
	if after := one(t, p, rows); after != before {
		t.Errorf("rows changed:\n%s\n%s", before, after)
	}
	var sealed []byte
	if err := p.QueryRow(t.Context(), `SELECT token_sealed FROM bots WHERE name = 'anna'`).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if got, err := tk.Open("anna", sealed); err != nil || got.Reveal() != "12345:anna" {
		t.Errorf("opened %q, %v", got.Reveal(), err)
	}
	if _, err := tk.Open("bert", sealed); !errors.Is(err, secret.ErrTampered) {
		t.Errorf("opened for another bot: %v", err)
	}
}

func TestNewChatsGetAClock(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	if got := one(t, p, `SELECT next_turn_at BETWEEN now() - interval '1 minute' AND now() FROM chat_clock`); got != "true" {
		t.Errorf("due now: %s", got)
	}
	exec(t, p, `UPDATE chat_clock SET turn_no = 7, next_turn_at = now() + interval '7 days'`)
	c := cast()
	c.Chats[0].MeanGap = 2 * time.Second
	apply(t, p, tk, c, false)
	if got := one(t, p, `SELECT turn_no = 7 AND next_turn_at < now() + interval '3 seconds' FROM chat_clock`); got != "true" {
		t.Error("a shorter gap waits for the end of the old one")
	}
}

func TestPrunedRowsComeBack(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	ids := one(t, p, `SELECT string_agg(id || name, ',' ORDER BY id) FROM bots`)
	small := cast()
	small.Bots, small.Chats = small.Bots[:1], nil
	if plan := apply(t, p, tk, small, false); !plan.Empty() {
		t.Errorf("without prune something changes:\n%s", plan)
	}
	if plan := apply(t, p, tk, small, true); plan.Count(roster.Remove) != 2 {
		t.Errorf("want a bot and a chat removed:\n%s", plan)
	}
	if got := one(t, p, `SELECT (SELECT count(*) FROM bots WHERE removed_at IS NULL) || ' ' || (SELECT count(*) FROM chats WHERE removed_at IS NULL) || ' ' || (SELECT count(*) FROM cast_members)`); got != "1 0 0" {
		t.Errorf("bots, chats and members are %s", got)
	}
	if plan := apply(t, p, tk, cast(), true); plan.Count(roster.Restore) != 2 {
		t.Errorf("want a bot and a chat back:\n%s", plan)
	}
	if got := one(t, p, `SELECT string_agg(id || name, ',' ORDER BY id) FROM bots WHERE removed_at IS NULL`); got != ids {
		t.Errorf("rows are %s, were %s", got, ids)
	}
	if got := one(t, p, `SELECT count(*) FROM cast_members`); got != "2" {
		t.Errorf("%s members", got)
	}
}

func TestRenamingKeepsTheRow(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	c := cast()
	c.Bots[0].Name, c.Chats[0].Name, c.Chats[0].Cast = "anne", "circle", []string{"anne", "bert"}
	plan := apply(t, p, tk, c, true)
	if plan.Count(roster.Update) != 2 || len(plan.Changes) != 2 {
		t.Errorf("want two updates:\n%s", plan)
	}
	if got := one(t, p, `SELECT string_agg(id || name, ',' ORDER BY id) FROM bots`); got != "1anne,2bert" {
		t.Errorf("bots are %s", got)
	}
	stored, err := rosterpg.Read(t.Context(), p, tk)
	if err != nil {
		t.Fatal(err)
	}
	if stored.Bots[0].Secret.Empty() {
		t.Error("the token can't be opened under the new name")
	}
}

func TestUsernamesCanBeSwapped(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	c := cast()
	c.Bots[0].Username, c.Bots[1].Username = c.Bots[1].Username, c.Bots[0].Username
	apply(t, p, tk, c, false)
	if got := one(t, p, `SELECT string_agg(username, ',' ORDER BY id) FROM bots`); got != "bert_bot,anna_bot" {
		t.Errorf("usernames are %s", got)
	}
}

// An apply doesn't change the state that services keep about the cast.
func TestRunTimeStateStays(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	exec(t, p, `UPDATE stances SET cooldown_until = '2030-01-01'`)
	exec(t, p, `UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked' WHERE bot_id = 1`)
	exec(t, p, `UPDATE bots SET stopped_at = now(), stopped_why = 'unauthorised'`)
	exec(t, p, `UPDATE memories SET uses = 3`)
	exec(t, p, `INSERT INTO memories (bot_id, kind, content) VALUES (1, 'event', 'Somebody joined.')`)
	exec(t, p, `UPDATE chats SET allowed_reactions = '{👍}', title = 'Renamed in Telegram'`)
	c := cast()
	c.Bots[0].Stances[0].Stance, c.Bots[0].Memories[0].Relevance = "They decide everything.", 0.9
	c.Bots[1].Secret = secret.New("12345:new")
	c.Chats[0].Title, c.Chats[0].Purpose = "", "Talk."
	apply(t, p, tk, c, false)
	for sql, want := range map[string]string{
		`SELECT count(*) FROM stances WHERE cooldown_until IS NOT NULL`:                               "2",
		`SELECT stance FROM stances WHERE bot_id = 1`:                                                 "They decide everything.",
		`SELECT string_agg(bot_id || suspended_why, ',') FROM cast_members`:                           "1kicked",
		`SELECT string_agg(name, ',') FROM bots WHERE stopped_at IS NOT NULL`:                         "anna",
		`SELECT string_agg(content || uses, ',' ORDER BY id) FROM memories WHERE bot_id = 1`:          "It rained.3,Somebody joined.0",
		`SELECT array_to_string(allowed_reactions, ',') || title || purpose FROM chats`:               "👍Renamed in TelegramTalk.",
		`SELECT string_agg(item || coalesce(quantity::text, ''), ',') FROM holdings WHERE bot_id = 1`: "novels0.1,tea",
	} {
		if got := one(t, p, sql); got != want {
			t.Errorf("%s\ngives %q, want %q", sql, got, want)
		}
	}
}

func TestAnUpgradedGroupKeepsItsNewID(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	c := cast()
	c.Chats[0].TelegramID, c.Chats[0].Kind = -4001, roster.Group
	apply(t, p, tk, c, false)
	exec(t, p, `UPDATE chats SET telegram_id = -1009876543210, kind = 'supergroup'`)
	plan := apply(t, p, tk, c, false)
	if !plan.Empty() || len(plan.Notes) != 1 || !strings.Contains(plan.Notes[0], "-1009876543210") {
		t.Errorf("want a note with the new id and no change:\n%s", plan)
	}
}

func TestALostKeySealsAnew(t *testing.T) {
	t.Parallel()
	p := pool(t)
	apply(t, p, tokens(t), cast(), false)
	tk := tokens(t)
	if plan := apply(t, p, tk, cast(), false); plan.Count(roster.Update) != 2 {
		t.Errorf("want both tokens sealed anew:\n%s", plan)
	}
	if plan := apply(t, p, tk, cast(), false); !plan.Empty() {
		t.Errorf("and once only:\n%s", plan)
	}
}

func TestNothingIsHalfApplied(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	wrong := cast()
	wrong.Bots[0].Persona.Tone = "changed"
	wrong.Chats[0].Purpose = "changed"
	wrong.Chats = append(wrong.Chats, wrong.Chats[0])
	wrong.Chats[1].Name = "other"
	_, err := rosterpg.Apply(t.Context(), p, tk, rosterpg.Request{Wanted: wrong})
	if err == nil || !strings.Contains(err.Error(), "another chat has the same telegram_id") {
		t.Errorf("got %v", err)
	}
	declined := errors.New("no")
	if _, err := rosterpg.Apply(t.Context(), p, tk, rosterpg.Request{Wanted: wrong, Approve: func(roster.Cast, roster.Plan) error { return declined }}); !errors.Is(err, declined) {
		t.Errorf("got %v", err)
	}
	if plan := apply(t, p, tk, cast(), true); !plan.Empty() {
		t.Errorf("something was changed:\n%s", plan)
	}
}

func TestAppliesAtOnceAreSerialised(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 8 {
		wg.Go(func() {
			plan, err := rosterpg.Apply(t.Context(), p, tk, rosterpg.Request{Wanted: cast(), Prune: true})
			mu.Lock()
			defer mu.Unlock()
			made += len(plan.Changes)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made != 3 {
		t.Errorf("%d changes in all, want 3 by one of them", made)
	}
}

// A transaction that writes about a bot and then waits for an apply's lock causes a deadlock;
// neither the apply nor its caller notices.
func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	p, tk := pool(t), tokens(t)
	apply(t, p, tk, cast(), false)
	tx, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// PostgreSQL aborts the one whose deadlock_timeout ends first: the apply.
	if _, err := tx.Exec(t.Context(), `SET LOCAL deadlock_timeout = '1h'; SELECT FROM bots WHERE name = 'anna' FOR KEY SHARE`); err != nil {
		t.Fatal(err)
	}
	c := cast()
	c.Bots[0].Secret = secret.New("77:anna")
	c.Bots[0].AccountID = 77
	applied := make(chan error)
	go func() {
		_, err := rosterpg.Apply(context.WithoutCancel(t.Context()), p, tk, rosterpg.Request{Wanted: c})
		applied <- err
	}()
	// It waits until the apply holds its locks, and then completes the cycle.
	for blocked := "false"; blocked != "true"; {
		blocked = one(t, p, `SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM bots WHERE name = 'bert' FOR NO KEY UPDATE`); err != nil {
		t.Errorf("the other transaction was ended: %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-applied; err != nil {
		t.Error(err)
	}
	if got := one(t, p, `SELECT telegram_id FROM bots WHERE name = 'anna'`); got != "77" {
		t.Errorf("the account is %s", got)
	}
}
