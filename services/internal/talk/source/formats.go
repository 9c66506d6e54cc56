package source

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/talk"
)

// clock is a time in JSON.
type clock string

// of parses a time such as 2026-05-06T08:00:00Z; without a zone it is UTC.
func (c clock) of(at, field string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, string(c)); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s.%s: %.40q, want a time such as 2026-05-06T08:00:00Z", at, field, string(c))
}

// ours reads lines in the format of talk.Line.
func ours(array json.RawMessage) ([]talk.Line, error) {
	lines := []talk.Line{}
	type row struct {
		ID       int64  `json:"id"`
		Who      string `json:"who"`
		Bot      bool   `json:"bot"`
		Text     string `json:"text"`
		At       clock  `json:"at"`
		Answers  int64  `json:"answers"`
		Reaction bool   `json:"reaction"`
	}
	return lines, each(array, "lines", func(at string, r row) error {
		if r.Who == "" {
			return missing(at, "who", "the name of who said it")
		}
		when, err := r.At.of(at, "at")
		lines = append(lines, talk.Line{ID: r.ID, Who: r.Who, Bot: r.Bot, Text: r.Text, At: when, Answers: r.Answers, Reaction: r.Reaction})
		return err
	})
}

// simulation reads the output of chorus simulate --output json; a message's number is its turn's.
func simulation(array json.RawMessage, o Options) ([]talk.Line, error) {
	by := map[string][]talk.Line{}
	type turn struct {
		At     clock  `json:"at"`
		Chat   string `json:"chat"`
		Bot    string `json:"bot"`
		Kind   string `json:"kind"`
		Number int64  `json:"number"`
		Target int64  `json:"target"`
	}
	err := each(array, "turns", func(at string, t turn) error {
		when, err := t.At.of(at, "at")
		if t.Bot == "" {
			err = missing(at, "bot", "the name of a bot")
		}
		by[t.Chat] = append(by[t.Chat], talk.Line{
			ID: t.Number, Who: t.Bot, Bot: true, At: when, Answers: t.Target, Reaction: t.Kind == "reaction",
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return chosen(by, o)
}

// telegram reads an export of one chat, or of an account with a list of chats.
func telegram(file map[string]json.RawMessage, o Options) ([]talk.Line, error) {
	if file["chats"] == nil {
		return exported(file["messages"], "messages", o)
	}
	chats, err := decode[struct{ List json.RawMessage }](file["chats"], "chats")
	if err != nil {
		return nil, err
	}
	by := map[string][]talk.Line{}
	type chat struct {
		Name     string
		Messages json.RawMessage
	}
	err = each(chats.List, "chats.list", func(at string, c chat) error {
		lines, err := exported(c.Messages, at+".messages", o)
		by[c.Name] = lines
		return err
	})
	if err != nil {
		return nil, err
	}
	return chosen(by, o)
}

// exported reads the messages of a chat. Old exports have no date_unixtime; their date is in the
// exporter's zone, which distorts gaps only when clocks change.
func exported(array json.RawMessage, field string, o Options) ([]talk.Line, error) {
	lines := []talk.Line{}
	type message struct {
		ID     int64  `json:"id"`
		Type   string `json:"type"`
		Date   clock  `json:"date"`
		Unix   string `json:"date_unixtime"`
		From   string `json:"from"`
		FromID string `json:"from_id"`
		Reply  int64  `json:"reply_to_message_id"`
		Text   any    `json:"text"`
	}
	return lines, each(array, field, func(at string, m message) error {
		if m.Type != "message" {
			return nil
		}
		l := talk.Line{ID: m.ID, Who: cmp.Or(m.From, m.FromID), Text: plain(m.Text), Answers: m.Reply}
		if l.Who == "" {
			return missing(at, "from", "the name of who said it")
		}
		l.Bot = slices.Contains(o.Bots, l.Who)
		var err error
		if seconds, wrong := strconv.ParseInt(m.Unix, 10, 64); wrong == nil {
			l.At = time.Unix(seconds, 0).UTC()
		} else {
			l.At, err = m.Date.of(at, "date")
		}
		lines = append(lines, l)
		return err
	})
}

// plain returns a text that may be in parts, each a text or an object with one.
func plain(text any) string {
	switch t := text.(type) {
	case string:
		return t
	case map[string]any:
		return plain(t["text"])
	case []any:
		var b strings.Builder
		for _, part := range t {
			b.WriteString(plain(part))
		}
		return b.String()
	}
	return ""
}

// messages reads a chat's messages in the format of the emulator's GET /chats/ID/messages.
func messages(array json.RawMessage) ([]talk.Line, error) {
	lines := []talk.Line{}
	type message struct {
		ID   int64 `json:"message_id"`
		From struct {
			Name string `json:"name"`
			Bot  bool   `json:"bot"`
		} `json:"from"`
		At      clock           `json:"sent_at"`
		Text    string          `json:"text"`
		Reply   int64           `json:"reply_to"`
		Service json.RawMessage `json:"service"`
	}
	return lines, each(array, "messages", func(at string, m message) error {
		if m.Service != nil {
			return nil
		}
		if m.From.Name == "" {
			return missing(at, "from.name", "the name of who said it")
		}
		when, err := m.At.of(at, "sent_at")
		lines = append(lines, talk.Line{ID: m.ID, Who: m.From.Name, Bot: m.From.Bot, At: when, Text: m.Text, Answers: m.Reply})
		return err
	})
}

// calls reads the emulator's log, which has a JSON object in each line. It holds bots' messages
// only, and names chats by their ids.
func calls(content []byte, o Options) ([]talk.Line, error) {
	type call struct {
		Time   clock  `json:"time"`
		Bot    string `json:"bot"`
		Method string `json:"method"`
		Chat   int64  `json:"chat"`
		Effect string `json:"effect"`
		ID     int64  `json:"effect_message_id"`
		Params struct {
			Text  string          `json:"text"`
			Reply json.RawMessage `json:"reply_parameters"`
		} `json:"params"`
	}
	by := map[string][]talk.Line{}
	decoder := json.NewDecoder(bytes.NewReader(content))
	for n := 1; ; n++ {
		at := fmt.Sprintf("line %d", n)
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return chosen(by, o)
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		c, err := decode[call](raw, at)
		if err != nil {
			return nil, err
		}
		if c.Effect != "sent" {
			continue
		}
		when, err := c.Time.of(at, "time")
		if err != nil {
			return nil, err
		}
		chat := strconv.FormatInt(c.Chat, 10)
		by[chat] = append(by[chat], talk.Line{
			ID: c.ID, Who: c.Bot, Bot: true, Text: c.Params.Text, At: when, Answers: answered(c.Params.Reply),
		})
	}
}

// answered returns the message in reply parameters, which may be JSON within a text.
func answered(raw json.RawMessage) int64 {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var reply struct {
		ID int64 `json:"message_id"`
	}
	if json.Unmarshal(raw, &reply) != nil {
		return 0 // its target is not known
	}
	return reply.ID
}
