package page

import (
	"net/http"
	"slices"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const (
	maxChats   = 200 // the most that the list shows
	pageLength = 50  // messages that are read at a time, unless told
	maxLength  = 200
)

// list answers with the chats that were busy last.
func (p *page) list(w http.ResponseWriter, _ *http.Request) {
	cursor := p.cursor(p.chats.Revision()) // first: what changes meanwhile comes as an event
	chats := p.chats.Chats()
	total := len(chats)
	slices.SortStableFunc(chats, latestFirst)
	chats = chats[:min(total, maxChats)]
	p.answer(w, struct {
		Cursor string `json:"cursor"`
		Total  int    `json:"total"`
		Chats  []Chat `json:"chats"`
	}{cursor, total, chats})
}

func latestFirst(a, b Chat) int {
	switch {
	case a.Last == nil && b.Last == nil:
		return 0
	case a.Last == nil:
		return 1
	case b.Last == nil:
		return -1
	default:
		return b.Last.At.Compare(a.Last.At)
	}
}

// chat answers with one chat.
func (p *page) chat(w http.ResponseWriter, r *http.Request) {
	id, err := chatID(r)
	if err != nil {
		p.refuse(w, err)
		return
	}
	cursor := p.cursor(p.chats.Revision())
	chat, err := p.chats.Chat(id)
	if err != nil {
		p.refuse(w, err)
		return
	}
	p.answer(w, struct {
		Cursor string `json:"cursor"`
		Chat   Chat   `json:"chat"`
	}{cursor, chat})
}

// history answers with a page of messages, oldest first.
func (p *page) history(w http.ResponseWriter, r *http.Request) {
	id, err := chatID(r)
	if err != nil {
		p.refuse(w, err)
		return
	}
	before, length, err := span(r)
	if err != nil {
		p.refuse(w, err)
		return
	}
	cursor := p.cursor(p.chats.Revision())
	messages, err := p.chats.History(id, before, length+1) // one more tells whether there are more
	if err != nil {
		p.refuse(w, err)
		return
	}
	more := len(messages) > length
	messages = messages[max(0, len(messages)-length):]
	p.answer(w, struct {
		Cursor   string    `json:"cursor"`
		More     bool      `json:"more"`
		Messages []Message `json:"messages"`
	}{cursor, more, append([]Message{}, messages...)})
}

// span returns which messages a request asks for.
func span(r *http.Request) (before int64, length int, err error) {
	query := r.URL.Query()
	length = pageLength
	if text := query.Get("before"); text != "" {
		const allowed = "the id of a message, or absent"
		if before, err = number("before", text, allowed); err != nil {
			return 0, 0, err
		}
		if before < 1 {
			return 0, 0, &world.InputError{Field: "before", Value: text, Allowed: allowed}
		}
	}
	if text := query.Get("limit"); text != "" {
		const allowed = "between 1 and 200"
		wanted, err := number("limit", text, allowed)
		if err != nil {
			return 0, 0, err
		}
		if wanted < 1 || wanted > maxLength {
			return 0, 0, &world.InputError{Field: "limit", Value: text, Allowed: allowed}
		}
		length = int(wanted)
	}
	return before, length, nil
}
