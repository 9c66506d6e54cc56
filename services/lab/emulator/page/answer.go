package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// maxBody is far more than the longest message needs, in bytes.
const maxBody = 64 << 10

// answer writes a value as JSON.
func (p *page) answer(w http.ResponseWriter, status int, value any) {
	content, err := json.Marshal(value)
	if err != nil {
		p.refuse(w, fmt.Errorf("encode the answer: %w", err))
		return
	}
	write(w, status, content)
}

// refuse answers with what is wrong: the reader's input in detail, everything
// else only in the log.
func (p *page) refuse(w http.ResponseWriter, err error) {
	if input, ok := errors.AsType[*world.InputError](err); ok {
		fail(w, http.StatusBadRequest, input.Error())
		return
	}
	p.opts.Log.Error("the chat page failed", zap.Error(err))
	fail(w, http.StatusInternalServerError, "something went wrong in the emulator; its log says what")
}

// fail answers with an error as JSON.
func fail(w http.ResponseWriter, status int, reason string) {
	content, err := json.Marshal(map[string]string{"error": reason})
	if err != nil { // a string is always valid JSON
		content = []byte("{}")
	}
	write(w, status, content)
}

func write(w http.ResponseWriter, status int, content []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(content, '\n')) // a reader that is gone needs no answer
}

// read decodes a request's body strictly.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	// A form of another site can't have this content type, not even in a
	// browser too old to tell its origin.
	kind := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
		return &world.InputError{Field: "Content-Type", Value: kind, Allowed: "application/json"}
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return &world.InputError{Field: "body", Value: err.Error(), Allowed: fmt.Sprintf("a JSON object of at most %d bytes with the known fields", maxBody)}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return &world.InputError{Field: "body", Value: "more than one value", Allowed: "one JSON object"}
	}
	return nil
}

// chatID returns the chat that a path names.
func chatID(r *http.Request) (int64, error) {
	return number("chat", r.PathValue("chat"), "a whole number")
}

func number(field, value, allowed string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, &world.InputError{Field: field, Value: value, Allowed: allowed}
	}
	return n, nil
}

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

// start opens a person's private chat with a bot.
func (p *page) start(w http.ResponseWriter, r *http.Request) {
	var input struct {
		Name string `json:"name"`
		Bot  string `json:"bot"`
	}
	if err := read(w, r, &input); err != nil {
		p.refuse(w, err)
		return
	}
	chat, err := p.chats.Start(input.Name, input.Bot)
	if err != nil {
		p.refuse(w, err)
		return
	}
	p.answer(w, http.StatusCreated, chat)
}

// block blocks the bot of a private chat.
func (p *page) block(w http.ResponseWriter, r *http.Request) {
	p.act(w, r, &struct{}{}, p.chats.Block)
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
