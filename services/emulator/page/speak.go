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

	id, err := chatID(r)
	if err == nil {
		err = read(w, r, &input)
	}

	if err != nil {
		p.refuse(w, err)

		return
	}

	if err := p.chats.React(id, input.MessageID, input.Name, input.Emoji); err != nil {
		p.refuse(w, err)

		return
	}

	w.WriteHeader(http.StatusNoContent)
}
