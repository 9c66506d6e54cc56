package intake

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/chorus-cast/chorus/services/listener/incoming"
)

const (
	// A notice that is answered, by the message that shows it, as its bot knows it.
	findNotice = `-- find a notice
SELECT n.id FROM chats c JOIN messages m ON m.chat_id = c.id LEFT JOIN message_ids i ON i.chat_id = m.chat_id AND i.number = m.number AND i.viewer = $3
JOIN notices n ON n.shown_chat = m.chat_id AND n.shown_turn = m.turn_no
WHERE (c.telegram_id = $1 OR c.former_id = $1) AND n.bot_id = $3 AND $2 IN (m.telegram_id, i.telegram_id) LIMIT 1`

	insertPress = `-- write a press
INSERT INTO presses (bot_id, update_id, query, shown_in, person_id, name, act, notice, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
)

// answers are the commands that answer a notice, whatever the chat.
func answers(u *incoming.Update) bool {
	return u.ReplyTo != nil && u.Command != nil && (u.Command.Name == "edit" || u.Command.Name == "again")
}

// presses writes down what people ask for by buttons below notices and by answers to them.
// Who may do so is looked at by who does it.
func (s *session) presses(ctx context.Context) error {
	for i, u := range s.pending() {
		var act, body string
		var notice int64
		switch {
		case u.Kind == incoming.Pressed:
			// Anybody can make up what a button says: what makes no sense is notice 0.
			word, number, _ := strings.Cut(u.Text, " ")
			act = known(word)
			notice, _ = strconv.ParseInt(number, 10, 64)
		case (u.Kind == incoming.Message || u.Kind == incoming.PrivateReply) && answers(u) && u.ReplyTo.From == s.bot.Account:
			var err error
			if notice, err = s.find(ctx, findNotice, u.Chat.ID, u.ReplyTo.MessageID, s.bot.ID); err != nil {
				return err
			}
			if notice == 0 {
				continue
			}
			act = u.Command.Name
			// The argument of a command is one line; this may have more.
			if at := strings.IndexFunc(u.Text, unicode.IsSpace); at >= 0 {
				body = strings.TrimSpace(u.Text[at:])
			}
		default:
			continue
		}
		if _, err := s.tx.Exec(ctx, insertPress, s.bot.ID, u.ID, u.Query, u.Chat.ID, u.From.ID, u.From.Name, act, notice, body); err != nil {
			return fmt.Errorf("write a press: %w", err)
		}
		s.results[i], s.pressed = Pressed, true
	}
	return nil
}

// known is what a button asks for; "unknown" for what none of ours does.
func known(word string) string {
	switch word {
	case "send", "discard", "again":
		return word
	}
	return "unknown"
}
