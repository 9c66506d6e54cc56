package openai

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// maxReason bounds how much of a provider's own words goes into an error.
const maxReason = 300

// failure turns what the SDK returned into the port's taxonomy. ctx is the
// caller's context, callCtx the one with the provider's time-out.
//
// The SDK's error is never wrapped: it holds the request, and so the key.
func (p *Provider) failure(ctx, callCtx context.Context, raw *http.Response, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &llm.Error{Class: llm.ErrTransient, Provider: p.cfg.Name}
	switch {
	case callCtx.Err() != nil:
		e.Reason = "no answer within " + p.cfg.Timeout.String()
	case raw == nil:
		e.Reason = p.clean(err.Error())
	case raw.StatusCode < http.StatusBadRequest:
		e.Status = raw.StatusCode
		e.Limits = limits(raw.Header)
		e.Reason = p.clean("the answer can't be read: " + err.Error())
	default:
		p.classify(e, raw)
	}
	return e
}

// classify reads an error answer. The status decides, not the body: proxies
// answer in HTML, and for such a body the SDK's own error loses the status.
func (p *Provider) classify(e *llm.Error, raw *http.Response) {
	said := readBody(raw)
	e.Status = raw.StatusCode
	e.Code = p.clean(said.code)
	e.Reason = p.clean(said.message)
	e.Limits = limits(raw.Header)

	switch status := raw.StatusCode; {
	case said.code == "insufficient_quota":
		// OpenAI says 429 when the account is out of money: no wait helps.
		e.Class = llm.ErrPermanent
	case status == http.StatusTooManyRequests:
		e.Class = llm.ErrThrottled
		e.RetryAfter = retryAfter(raw.Header, e.Limits)
	case status == http.StatusServiceUnavailable && raw.Header.Get("Retry-After") != "":
		// Groq and vLLM behind a proxy shed load in this way.
		e.Class = llm.ErrThrottled
		e.RetryAfter = retryAfter(raw.Header, e.Limits)
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly:
		e.Class = llm.ErrTransient
	case status >= http.StatusInternalServerError:
		e.Class = llm.ErrTransient
	default:
		e.Class = llm.ErrPermanent
	}
	if e.Reason == "" {
		e.Reason = http.StatusText(raw.StatusCode)
	}
}

type spoken struct{ code, message string }

// readBody reads the error shapes in use: {"error":{"message","code","type"}}
// of OpenAI and Groq, {"error":"…"} of Ollama, {"message":"…"} of older vLLM,
// and HTML or text, of which only the fact is kept.
func readBody(raw *http.Response) spoken {
	body, err := io.ReadAll(raw.Body)
	if err != nil || len(body) == 0 {
		return spoken{}
	}
	var doc struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return spoken{message: "the error's body is no JSON"}
	}
	var full struct {
		Message string          `json:"message"`
		Type    string          `json:"type"`
		Code    json.RawMessage `json:"code"` // a string at OpenAI, a number at vLLM, or null
	}
	if json.Unmarshal(doc.Error, &full) == nil {
		var code string
		if json.Unmarshal(full.Code, &code) != nil || code == "" {
			code = full.Type
		}
		return spoken{code: code, message: full.Message}
	}
	var plain string
	if json.Unmarshal(doc.Error, &plain) == nil {
		return spoken{message: plain}
	}
	return spoken{message: doc.Message}
}

// clean makes foreign words safe for a log line: no key, one line, bounded.
func (p *Provider) clean(s string) string {
	if key := p.cfg.Key.Reveal(); key != "" {
		s = strings.ReplaceAll(s, key, p.cfg.Key.String())
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if len(s) <= maxReason {
		return s
	}
	s = s[:maxReason]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
