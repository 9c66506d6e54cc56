package openai

import (
	"net/http"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Read reads an answer as it comes from the network.
func Read(status int, body string) (llm.Response, error) {
	p := &Provider{cfg: Default()}
	if status >= http.StatusBadRequest {
		e := &llm.Error{Provider: p.cfg.Name, Status: status}
		p.classify(e, readError([]byte(body)), nil)
		return llm.Response{}, e
	}
	return p.answer(reply{status: http.StatusOK, body: document([]byte(body))})
}
