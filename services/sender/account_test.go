package sender_test

import (
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
)

// account is the result of comparing the emulator's log of calls with the journal.
type account struct {
	// duplicates counts messages that belong to no turn, or to a turn that has a message
	// already.
	duplicates int
	// disorders counts messages sent after one of a later turn in the same chat.
	disorders int
	// unaccounted counts turns without an end, turns recorded as delivered without a
	// message, and sent messages of turns recorded otherwise.
	unaccounted int
	outcomes    map[string]int
}

// ending is the end of a turn.
type ending struct {
	Chat     int64 // Telegram's id
	Number   int64
	Action   string
	Outcome  string
	Text     string // its message's text; empty for none yet
	Telegram int64  // the message's id; 0 if unknown
}

const endings = `
SELECT c.telegram_id AS chat, t.turn_no AS number, d.action, coalesce(t.outcome, '') AS outcome, coalesce(m.body, '') AS text, coalesce(m.telegram_id, i.telegram_id, 0) AS telegram
FROM turns t JOIN chats c ON c.id = t.chat_id JOIN deliveries d USING (chat_id, turn_no)
LEFT JOIN messages m ON m.chat_id = t.chat_id AND m.turn_no = t.turn_no
LEFT JOIN message_ids i ON i.chat_id = m.chat_id AND i.number = m.number
ORDER BY t.chat_id, t.turn_no`

// line identifies a message in a chat: by id in supergroups, else by text.
type line struct {
	chat, id int64
	text     string
}

// account compares the log with the journal. Each message's text must be that of exactly
// one turn, "CHAT-TURN", except for the emoji of fallbacks.
func (s *fixture) account() account {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), endings)
	if err != nil {
		s.t.Fatal(err)
	}
	turns, err := pgx.CollectRows(rows, pgx.RowToStructByName[ending])
	if err != nil {
		s.t.Fatal(err)
	}
	a := account{outcomes: map[string]int{}}
	known, unknown := map[line]ending{}, map[line]int{}
	for _, e := range turns {
		a.outcomes[e.Outcome]++
		said := e.Outcome == "fell_back" || e.Outcome == "delivered" && e.Action == "send_message"
		switch {
		case e.Outcome == "", said != (e.Telegram != 0):
			a.unaccounted++
			s.t.Logf("turn %d of chat %d ended as %q with message %d", e.Number, e.Chat, e.Outcome, e.Telegram)
		case said:
			known[line{chat: e.Chat, id: e.Telegram}] = e
		case e.Outcome == "unknown" && e.Action == "send_message":
			unknown[line{chat: e.Chat, text: s.words(e)}]++
		case e.Outcome == "unknown":
			unknown[line{chat: e.Chat}]++ // any emoji
		}
	}
	s.compare(&a, known, unknown)
	return a
}

// words returns the text of a turn's message.
func (s *fixture) words(e ending) string {
	s.t.Helper()
	var chat int64
	if err := s.pool.QueryRow(s.t.Context(), `SELECT id FROM chats WHERE telegram_id = $1`, e.Chat).Scan(&chat); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%d-%d", chat, e.Number)
}

func (s *fixture) compare(a *account, known map[line]ending, unknown map[line]int) {
	s.t.Helper()
	records, err := s.telegram.Calls().Records(s.t.Context(), calllog.Filter{Method: "sendMessage"})
	if err != nil {
		s.t.Fatal(err)
	}
	seen := map[line]bool{}
	last := map[[2]int64]int64{} // the last turn, by chat and by whether its lane is that of messages
	for _, r := range records {
		if r.Effect != "sent" {
			continue
		}
		var text string
		if err := json.Unmarshal(r.Params["text"], &text); err != nil {
			s.t.Fatal(err)
		}
		var chat, number, lane int64
		n, _ := fmt.Sscanf(text, "%d-%d", &chat, &number)
		at := line{chat: r.Chat, id: r.EffectMessageID}
		e, isKnown := known[at]
		loose := line{chat: r.Chat}
		if n == 2 {
			loose.text, lane = text, 1
		} else if isKnown {
			number = e.Number
		}
		switch {
		case isKnown && !seen[at]:
			seen[at] = true
			delete(known, at)
		case unknown[loose] > 0:
			unknown[loose]--
		default:
			a.duplicates++
			s.t.Logf("message %d of chat %d is one too many: %q", r.EffectMessageID, r.Chat, text)
			s.tell(chat, number, r, records)
		}
		if number > 0 {
			if key := [2]int64{r.Chat, lane}; number < last[key] {
				a.disorders++
				s.t.Logf("chat %d: turn %d came after turn %d", r.Chat, number, last[key])
			} else {
				last[key] = number
			}
		}
	}
	for at, e := range known {
		a.unaccounted++
		s.t.Logf("turn %d of chat %d is said to be message %d, which was never sent", e.Number, e.Chat, at.id)
	}
}

// tell logs an unexpected message with its delivery and all calls with the same text in its
// chat.
func (s *fixture) tell(chat, number int64, message calllog.Record, records []calllog.Record) {
	s.t.Helper()
	var row string
	err := s.pool.QueryRow(s.t.Context(), `
SELECT coalesce((SELECT d::text FROM (SELECT state, outcome, reason, step, fence, attempts, owner, created_at, closed_at FROM deliveries
    WHERE chat_id = $1 AND turn_no = $2) d), 'no row')`, chat, number).Scan(&row)
	s.t.Log("its delivery: ", row, err)
	for _, r := range records {
		if r.Chat == message.Chat && string(r.Params["text"]) == string(message.Params["text"]) {
			s.t.Logf("a call: %+v", r)
		}
	}
}
