package page

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// quoted is how many characters of an answered message are shown.
const quoted = 160

// message is a post as people see it.
func message(p *world.Post) Message {
	m := Message{
		ID: p.Seq, From: member(p.From), At: p.SentAt, Edited: !p.EditedAt.IsZero(),
		Text: p.Shown(), Entities: p.Entities, Buttons: buttons(p.Markup), Service: service(p),
	}
	if answered := p.ReplyTo; answered != nil {
		m.ReplyTo = &Quote{ID: answered.Seq, From: member(answered.From), Text: beginning(answered)}
	}
	for _, r := range p.Reactions {
		reaction := Reaction{Emoji: r.Emoji}
		for _, by := range r.By {
			reaction.By = append(reaction.By, member(by))
		}
		m.Reactions = append(m.Reactions, reaction)
	}
	return m
}

// buttons are the rows of an inline keyboard; other keyboards aren't under a message.
func buttons(markup json.RawMessage) [][]Button {
	var keyboard struct {
		Rows [][]struct {
			Text string `json:"text"`
			Data string `json:"callback_data"`
			URL  string `json:"url"`
		} `json:"inline_keyboard"`
	}
	if json.Unmarshal(markup, &keyboard) != nil { // there is none
		return nil
	}
	var rows [][]Button
	for _, row := range keyboard.Rows {
		shown := make([]Button, 0, len(row))
		for _, b := range row {
			shown = append(shown, Button{Text: b.Text, Data: b.Data, URL: b.URL})
		}
		rows = append(rows, shown)
	}
	return rows
}

func member(a world.Account) Member {
	return Member{ID: a.ID, Name: a.Name, Username: a.Username, Bot: a.Bot}
}

// beginning returns what a quote shows of a message.
func beginning(p *world.Post) string {
	if p.Service != nil {
		return service(p)
	}
	text := p.Shown()
	if runes := []rune(text); len(runes) > quoted {
		return strings.TrimSpace(string(runes[:quoted])) + "…"
	}
	return text
}

// service says in words what happened, where nobody said anything.
func service(p *world.Post) string {
	if p.Service == nil {
		return ""
	}
	names := make([]string, 0, len(p.Joined))
	for _, a := range p.Joined {
		names = append(names, a.Name)
	}
	switch {
	case len(names) > 0:
		return strings.Join(names, ", ") + " joined the group"
	case p.Left != nil:
		return p.Left.Name + " left the group"
	case p.Service.Title != "":
		return p.From.Name + " named the group “" + p.Service.Title + "”"
	case p.Service.MigrateTo != 0:
		return "The group was upgraded to a supergroup"
	case p.Service.MigrateFrom != 0:
		return "This supergroup was a basic group before"
	default:
		return "Something happened in the group"
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
