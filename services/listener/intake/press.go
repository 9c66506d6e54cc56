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
	// The notice whose message a person replies to, by its bot's id of the message.
	findNotice = `-- find a notice
SELECT n.id FROM chats c JOIN messages m ON m.chat_id = c.id LEFT JOIN message_ids i ON i.chat_id = m.chat_id AND i.number = m.number AND i.viewer = $3
JOIN notices n ON n.shown_chat = m.chat_id AND n.shown_turn = m.turn_no
WHERE (c.telegram_id = $1 OR c.former_id = $1) AND n.bot_id = $3 AND $2 IN (m.telegram_id, i.telegram_id) LIMIT 1`

	insertPress = `-- write a press
INSERT INTO presses (bot_id, update_id, query, shown_in, person_id, name, act, notice, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
)

// answers tells whether an update is a reply with a command that notices accept.
func answers(u *incoming.Update) bool {
	return u.ReplyTo != nil && u.Command != nil && (u.Command.Name == "edit" || u.Command.Name == "again")
}

// presses writes what people ask for with the buttons below notices and with replies to
// them. Whether a person may decide is checked when the press is executed.
func (s *session) presses(ctx context.Context) error {
	for i, u := range s.pending() {
		var act, body string
		var notice int64
		switch {
		case u.Kind == incoming.Pressed:
			// Anybody can send made-up button data. If it makes no sense, the notice is 0.
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
			// A command's argument is one line; the reply may have more.
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

// known returns what a button asks for; "unknown" if none of our buttons does.
func known(word string) string {
	switch word {
	case "send", "discard", "again":
		return word
	}
	return "unknown"
}
