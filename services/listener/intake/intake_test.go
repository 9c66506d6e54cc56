package intake_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener/incoming"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// fixture has a chat with two bots. Each has a Writer of its own, like in two processes.
type fixture struct {
	t       *testing.T
	pool    *pgxpool.Pool
	chat    int64
	there   incoming.Chat
	cast    intake.Cast
	writers map[int64]*intake.Writer
	last    int64 // id of the last update
}

// saidAt returns the time of people's messages. Only the order of times matters.
func saidAt() time.Time { return time.Unix(1_800_000_000, 0) }

func newIntake(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	in := &fixture{t: t, pool: journaltest.Open(t), writers: map[int64]*intake.Writer{}}
	var bots []int64
	for i, name := range []string{"anna", "ben"} {
		b := intake.Bot{ID: journaltest.Bot(t, in.pool, name), Account: int64(500 + i), Username: name + "_bot"}
		writer, err := intake.New(in.pool, journal.New(in.pool))
		if err != nil {
			t.Fatal(err)
		}
		in.cast, in.writers[b.ID], bots = append(in.cast, b), writer, append(bots, b.ID)
	}
	in.chat = journaltest.Chat(t, in.pool, "club", bots...)
	in.there = incoming.Chat{ID: in.number(`SELECT telegram_id FROM chats`), Supergroup: true, Title: "Club"}
	return in
}

func (in *fixture) number(sql string, args ...any) (n int64) {
	in.t.Helper()
	if err := in.pool.QueryRow(in.t.Context(), sql, args...).Scan(&n); err != nil {
		in.t.Fatal(err)
	}
	return n
}

func (in *fixture) texts() []string {
	in.t.Helper()
	rows, err := in.pool.Query(in.t.Context(), `SELECT body FROM messages ORDER BY number`)
	if err != nil {
		in.t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		in.t.Fatal(err)
	}
	return all
}

// message returns a message of a person.
func (in *fixture) message(id int64, text string) incoming.Update {
	in.last++
	return incoming.Update{
		ID: in.last, Kind: incoming.Message, Chat: in.there, From: incoming.Person{ID: 42, Name: "Tom"}, At: saidAt(), MessageID: id, Text: text,
	}
}

// takes writes updates of a bot and checks their results.
func (in *fixture) takes(bot int, want []intake.Result, updates ...incoming.Update) intake.Outcome {
	in.t.Helper()
	out, err := in.writers[in.cast[bot].ID].Write(in.t.Context(), in.cast[bot], in.cast, updates)
	if err != nil {
		in.t.Fatal(err)
	}
	if !slices.Equal(out.Results, want) {
		in.t.Errorf("results are %v, want %v", out.Results, want)
	}
	return out
}

type results = []intake.Result

// Both bots report a question. It is one message and one prompt.
func TestAMessageIsWrittenDownOnce(t *testing.T) {
	in := newIntake(t)
	question := in.message(7, "Who is there?")
	out := in.takes(0, results{intake.Written}, question)
	if !slices.Equal(out.Written, []int64{in.chat}) || !slices.Equal(out.Prompted, []int64{in.chat}) {
		t.Errorf("written in %v, prompted in %v", out.Written, out.Prompted)
	}
	again := in.takes(1, results{intake.Copy, intake.Written}, question, in.message(8, "Fine."))
	if len(again.Prompted) != 0 || !slices.Equal(again.Written, []int64{in.chat}) {
		t.Errorf("written in %v, prompted in %v", again.Written, again.Prompted)
	}
	if diff := cmp.Diff([]string{"Who is there?", "Fine."}, in.texts()); diff != "" {
		t.Error(diff)
	}
	if n := in.number(`SELECT count(*) FROM prompts`); n != 1 {
		t.Errorf("%d prompts, want 1", n)
	}
}

// In a basic group each bot has its own id of a message. Author, text and time identify it.
func TestABasicGroupsMessageIsWrittenDownOnce(t *testing.T) {
	in := newIntake(t)
	in.there.Supergroup, in.there.ID = false, -77
	if _, err := in.pool.Exec(t.Context(), `UPDATE chats SET kind = 'group', telegram_id = -77`); err != nil {
		t.Fatal(err)
	}
	in.takes(0, results{intake.Written, intake.Written}, in.message(7, "Yes"), in.message(8, "Yes"))
	in.takes(1, results{intake.Copy, intake.Copy}, in.message(107, "Yes"), in.message(108, "Yes"))
	if diff := cmp.Diff([]string{"Yes", "Yes"}, in.texts()); diff != "" {
		t.Error(diff)
	}
	if n := in.number(`SELECT count(*) FROM message_ids`); n != 4 {
		t.Errorf("%d ids, want that of each bot for each message", n)
	}
}

// A refused update is left out. The others of its batch are written.
func TestWhatIsRefusedHoldsNothingUp(t *testing.T) {
	in := newIntake(t)
	in.takes(0, results{intake.Written, intake.Refused, intake.Written}, in.message(1, "one"), in.message(2, "t\x00wo"), in.message(3, "three"))
	if diff := cmp.Diff([]string{"one", "three"}, in.texts()); diff != "" {
		t.Error(diff)
	}
}

func TestOfEditsTheLastHolds(t *testing.T) {
	in := newIntake(t)
	edit := func(after time.Duration, text string) incoming.Update {
		u := in.message(7, text)
		u.Kind, u.At = incoming.Edit, saidAt().Add(after)
		return u
	}
	in.takes(0, results{intake.Unknown}, edit(0, "of nothing"))
	in.takes(0, results{intake.Written, intake.Written}, in.message(7, "first"), edit(2*time.Second, "third"))
	late := edit(time.Second, "second")
	in.takes(1, results{intake.Copy}, late)
	in.takes(1, results{intake.Repeated}, late)
	in.takes(1, results{intake.Copy}, edit(2*time.Second, "third"))
	if diff := cmp.Diff([]string{"third"}, in.texts()); diff != "" {
		t.Error(diff)
	}
}

func TestWhoIsNotHeard(t *testing.T) {
	in := newIntake(t)
	ours, stranger := in.message(1, "I am Ben"), in.message(2, "I am a bot")
	ours.From.ID, stranger.From.Bot = in.cast[1].Account, true
	in.takes(0, results{intake.OfBots, intake.OfBots, intake.Useless}, ours, stranger, incoming.Update{ID: 99, Kind: incoming.Private})
	if _, err := in.pool.Exec(t.Context(), `UPDATE chats SET enabled = false`); err != nil {
		t.Fatal(err)
	}
	in.takes(0, results{intake.NotAllowed}, in.message(3, "Hello?"))
	if got := in.texts(); len(got) != 0 {
		t.Errorf("%q were written down", got)
	}
}

// A chat that no operator has asked for is added with the bots in it. Its messages are not.
func TestAChatIsFound(t *testing.T) {
	in := newIntake(t)
	in.there = incoming.Chat{ID: -1_000_000_009_999, Supergroup: true, Title: "Elsewhere"}
	in.takes(0, results{intake.NotAllowed}, in.message(1, "Who are you?"))
	joined := in.message(0, "")
	joined.Kind, joined.Role = incoming.Own, incoming.Role{Status: "member", Present: true, Speaks: true}
	in.takes(1, results{intake.Written}, joined)
	if n := in.number(`SELECT count(*) FROM chats c JOIN cast_members m ON m.chat_id = c.id WHERE c.title = 'Elsewhere' AND NOT c.enabled AND c.found_at IS NOT NULL`); n != 2 {
		t.Errorf("%d bots are in the chat that was found, want 2", n)
	}
	if got := in.texts(); len(got) != 0 {
		t.Errorf("%q were written down", got)
	}
}

// A group that became a supergroup stays the same chat, even if the new id was found
// before.
func TestAChatMoves(t *testing.T) {
	in := newIntake(t)
	if _, err := in.pool.Exec(t.Context(), `UPDATE chats SET kind = 'group', telegram_id = -77`); err != nil {
		t.Fatal(err)
	}
	after := incoming.Chat{ID: -1_000_000_007_777, Supergroup: true, Title: "Club"}
	in.there = after
	in.takes(0, results{intake.NotAllowed}, in.message(1, "Where are we?"))
	moved := in.message(2, "")
	moved.Kind, moved.MovedFrom = incoming.Moved, -77
	in.takes(0, results{intake.Written, intake.Written}, moved, in.message(3, "Here"))
	in.takes(1, results{intake.Copy}, moved)
	if n := in.number(`SELECT count(*) FROM chats`); n != 1 {
		t.Errorf("%d chats, want 1", n)
	}
	if id := in.number(`SELECT telegram_id FROM chats WHERE id = $1 AND former_id = -77 AND kind = 'supergroup'`, in.chat); id != after.ID {
		t.Errorf("the chat is %d", id)
	}
	if diff := cmp.Diff([]string{"Here"}, in.texts()); diff != "" {
		t.Error(diff)
	}
}

func TestARoleSuspendsAndResumes(t *testing.T) {
	in := newIntake(t)
	for _, role := range []incoming.Role{{Status: "kicked"}, {Status: "member", Present: true, Speaks: true}} {
		u := in.message(0, "")
		u.Kind, u.Role = incoming.Own, role
		in.takes(0, results{intake.Written}, u)
		suspended := in.number(`SELECT count(*) FROM cast_members WHERE bot_id = $1 AND suspended_why LIKE '%' || $2 || '%'`, in.cast[0].ID, role.Status)
		if want := map[bool]int64{true: 0, false: 1}[role.Speaks]; suspended != want {
			t.Errorf("as %s it is suspended in %d chats, want %d", role.Status, suspended, want)
		}
	}
}
