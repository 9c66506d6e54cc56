package controlapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const (
	defaultMessages = 100
	maxMessages     = 1000
)

func (s *server) listMessages(r *http.Request) (any, error) {
	chat, err := s.chatOf(r)
	if err != nil {
		return nil, err
	}
	before, limit, err := rangeOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	posts, err := s.World.History(chat, before, limit)
	if err != nil {
		return nil, err
	}
	messages := make([]control.Message, 0, len(posts))
	for _, p := range posts {
		messages = append(messages, s.message(p))
	}
	return messages, nil
}

func rangeOf(query url.Values) (int64, int, error) {
	if err := onlyNames(query, "before", "limit"); err != nil {
		return 0, 0, err
	}
	before, limit := int64(0), defaultMessages
	var err error
	if text := query.Get("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			return 0, 0, badValue("before", strconv.Quote(text), "the message_id of a message")
		}
	}
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxMessages {
			return 0, 0, badValue("limit", strconv.Quote(text), "between 1 and "+strconv.Itoa(maxMessages))
		}
	}
	return before, limit, nil
}

func (s *server) say(chat int64, said control.Saying) (any, error) {
	text, err := s.withMentions(said.Text, said.Mentions)
	if err != nil {
		return nil, err
	}
	post, err := s.World.Say(chat, said.Name, text, said.ReplyTo)
	if err != nil {
		return nil, err
	}
	return created{s.message(post)}, nil
}

// withMentions puts the usernames that a text doesn't mention before it.
func (s *server) withMentions(text string, usernames []string) (string, error) {
	var missing strings.Builder
	for _, name := range usernames {
		account, ok := s.World.Find(name)
		if !ok || account.Username == "" {
			return "", badValue("mentions", strconv.Quote(name), "the username of an account")
		}
		if mention := "@" + account.Username; !strings.Contains(strings.ToLower(text), strings.ToLower(mention)) {
			missing.WriteString(mention + " ")
		}
	}
	return missing.String() + text, nil
}

func (s *server) editMessage(r *http.Request) (any, error) {
	chat, message, err := s.messageOf(r)
	if err != nil {
		return nil, err
	}
	var edit control.Edit
	if err := decode(r, &edit); err != nil {
		return nil, err
	}
	post, err := s.World.EditAs(chat, message, edit.Text)
	if err != nil {
		return nil, err
	}
	return s.message(post), nil
}

func (s *server) deleteMessage(r *http.Request) (any, error) {
	chat, message, err := s.messageOf(r)
	if err != nil {
		return nil, err
	}
	return nil, s.World.DeleteAs(chat, message)
}

func (s *server) react(chat int64, reaction control.Reacting) (any, error) {
	return nil, s.World.ReactAs(chat, reaction.MessageID, reaction.Name, reaction.Emoji)
}

func (s *server) press(chat int64, p control.Pressing) (any, error) {
	query, err := s.World.Press(chat, p.MessageID, p.Name, p.Data)
	if err != nil {
		return nil, err
	}
	return control.Pressed{QueryID: query}, nil
}

func (s *server) messageOf(r *http.Request) (int64, int64, error) {
	chat, err := s.chatOf(r)
	if err != nil {
		return 0, 0, err
	}
	message, err := pathID(r, "message")
	return chat, message, err
}

func (s *server) message(p world.Post) control.Message {
	m := control.Message{
		ID: p.Seq, IDs: s.World.IDs(p.Chat.ID, p.Seq), From: p.From, SentAt: p.SentAt, EditedAt: p.EditedAt, Thread: p.Thread,
		Content: p.Content, Markup: p.Markup, Service: p.Service,
	}
	if p.ReplyTo != nil {
		m.ReplyTo = p.ReplyTo.Seq
	}
	for _, r := range p.Reactions {
		m.Reactions = append(m.Reactions, control.Reaction{Emoji: r.Emoji, By: r.By})
	}
	return m
}
