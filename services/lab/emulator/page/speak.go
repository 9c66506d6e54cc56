package page

import "net/http"

// say adds a person's message.
func (p *page) say(w http.ResponseWriter, r *http.Request) {
	var input struct {
		Name    string `json:"name"`
		Text    string `json:"text"`
		ReplyTo int64  `json:"reply_to"`
	}
	id, err := chatID(r)
	if err == nil {
		err = read(w, r, &input)
	}
	if err != nil {
		p.refuse(w, err)
		return
	}
	message, err := p.chats.Say(id, input.Name, input.Text, input.ReplyTo)
	if err != nil {
		p.refuse(w, err)
		return
	}
	p.answer(w, http.StatusCreated, message)
}

// react sets or takes away a person's reaction.
func (p *page) react(w http.ResponseWriter, r *http.Request) {
	var input struct {
		Name      string `json:"name"`
		MessageID int64  `json:"message_id"`
		Emoji     string `json:"emoji"`
	}
	p.act(w, r, &input, func(chat int64) error { return p.chats.React(chat, input.MessageID, input.Name, input.Emoji) })
}

// press presses a button for a person.
func (p *page) press(w http.ResponseWriter, r *http.Request) {
	var input struct {
		Name      string `json:"name"`
		MessageID int64  `json:"message_id"`
		Data      string `json:"data"`
	}
	p.act(w, r, &input, func(chat int64) error { return p.chats.Press(chat, input.MessageID, input.Name, input.Data) })
}

// setAdmin makes a person an administrator, or an ordinary member.
func (p *page) setAdmin(w http.ResponseWriter, r *http.Request) {
	var input struct {
		Name  string `json:"name"`
		Admin bool   `json:"admin"`
	}
	p.act(w, r, &input, func(chat int64) error { return p.chats.SetAdmin(chat, input.Name, input.Admin) })
}

// act reads what to do in a chat, and does it.
func (p *page) act(w http.ResponseWriter, r *http.Request, input any, do func(chat int64) error) {
	id, err := chatID(r)
	if err == nil {
		err = read(w, r, input)
	}
	if err == nil {
		err = do(id)
	}
	if err != nil {
		p.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
