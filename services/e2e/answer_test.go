package e2e_test

import (
	"fmt"
	sorted "slices" // the package has an identifier slices
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	rooms        = 200 // groups, asked one after the other
	roomBots     = 30
	castOfRoom   = 3
	questions    = 1000
	questionRate = 50 // per second, in all groups together
)

// BenchmarkAnswer measures the time from the emulator's receipt of a question until a bot
// types its answer, with offline texts.
func BenchmarkAnswer(b *testing.B) {
	w := newTown(b)
	groups := w.rooms()
	args := append([]string{"up", "--up.dir", testenv.Folder(b), "--generator.max-typing", "800ms"}, w.args...)
	launch(b, []string{"CHORUS_SECRET_KEYS=" + w.keys}, args...)
	eventually(b, "every bot is listened to", func() bool {
		var n int
		if err := w.pool.QueryRow(b.Context(), `SELECT count(*) FROM listening`).Scan(&n); err != nil {
			b.Fatal(err)
		}
		return n == roomBots
	})
	for b.Loop() {
		asked := w.ask(groups)
		var took []time.Duration
		within(b, 10*time.Second, func() bool {
			took = w.answered(asked)
			return len(took) == questions
		})
		sorted.Sort(took)
		fmt.Printf("figure listener.answer_p99_ms %.0f ms\nfigure listener.unanswered %d questions\n",
			took[len(took)*99/100].Seconds()*1000, questions-len(took))
		b.Logf("median %v, p90 %v, worst %v", took[len(took)/2], took[len(took)*9/10], took[len(took)-1])
	}
}

// rooms creates groups whose casts speak only when they are asked.
func (w *town) rooms() []int64 {
	w.t.Helper()
	ids, members := w.bots(roomBots)
	w.exec(`UPDATE bots SET hourly_max = 1200`)
	set(w.t, w.pool, settings.PersonMaxAnswersPerHour.Definition, "0") // one person asks all questions
	var groups []int64
	for i := range rooms {
		var cast []int64
		n := world.NewChat{Chat: world.Chat{Kind: world.Supergroup, Title: fmt.Sprint("Room ", i)}}
		for k := range castOfRoom {
			at := (i*castOfRoom + k) % roomBots
			cast, n.Members = append(cast, ids[at]), append(n.Members, members[at])
		}
		made, err := w.emulator.World().PutChat(n)
		if err != nil {
			w.t.Fatal(err)
		}
		chat := journaltest.Chat(w.t, w.pool, fmt.Sprint("room", i), cast...)
		w.exec(`UPDATE chats SET telegram_id = $2, mean_gap = '7 days' WHERE id = $1`, chat, made.ID)
		groups = append(groups, made.ID)
	}
	w.exec(`UPDATE chat_clock SET next_turn_at = now() + interval '1 day'`)
	return groups
}

// question is a question to a group and its time.
type question struct {
	group int64
	at    time.Time
}

func (w *town) ask(groups []int64) []question {
	w.t.Helper()
	tick := time.NewTicker(time.Second / questionRate)
	defer tick.Stop()
	var asked []question
	for i := range questions {
		<-tick.C
		q := question{group: groups[i%len(groups)], at: time.Now()}
		if _, err := w.emulator.World().Say(q.group, "Tom", fmt.Sprintf("What do you think of chapter %d?", i), 0); err != nil {
			w.t.Fatal(err)
		}
		asked = append(asked, q)
	}
	return asked
}

// answered returns the time from each question until a bot types in its group. The next
// question there comes some seconds later.
func (w *town) answered(asked []question) []time.Duration {
	w.t.Helper()
	calls, err := w.emulator.Calls().Records(w.t.Context(), calllog.Filter{Method: "sendChatAction"})
	if err != nil {
		w.t.Fatal(err)
	}
	typed := map[int64][]time.Time{}
	for _, call := range calls {
		typed[call.Chat] = append(typed[call.Chat], call.Time)
	}
	var took []time.Duration
	for _, q := range asked {
		next := q.at.Add(rooms * time.Second / questionRate)
		for _, at := range typed[q.group] {
			if at.After(q.at) && at.Before(next) {
				took = append(took, at.Sub(q.at))
				break
			}
		}
	}
	return took
}
