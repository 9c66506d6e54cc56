package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// answer writes a value as JSON.
func (p *page) answer(w http.ResponseWriter, value any) {
	content, err := json.Marshal(value)
	if err != nil {
		p.refuse(w, fmt.Errorf("encode the answer: %w", err))
		return
	}
	write(w, http.StatusOK, content)
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
