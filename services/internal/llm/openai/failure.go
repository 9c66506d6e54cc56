package openai

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// maxReason limits the provider's own words in an error, in bytes.
const maxReason = 300

// failure converts the SDK's error to an llm.Error. ctx is the caller's context, callCtx the one
// with the provider's timeout.
//
// The SDK's error is never wrapped: it holds the request, and so the key.
func (p *Provider) failure(ctx, callCtx context.Context, raw *http.Response, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &llm.Error{Class: fail.Transient, Provider: p.cfg.Name}
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
		body, _ := io.ReadAll(raw.Body) // as much as could be read
		e.Status = raw.StatusCode
		e.Limits = limits(raw.Header)
		p.classify(e, readError(body), raw.Header)
	}
	return e
}

// These patterns find the status in an error's words if the header has none.
var (
	noCredit     = regexp.MustCompile(`(?i)insufficient_(?:quota|balance|credits?)|billing_hard_limit|billing_not_active|credit balance is too low`)
	rateLimited  = regexp.MustCompile(`(?i)rate.?limit|too.?many.?requests|resource_?exhausted|throttl|quota`)
	overloaded   = regexp.MustCompile(`(?i)overload|unavailable|server_error|internal|timeout|timed out|upstream|bad gateway|capacity`)
	unauthorized = regexp.MustCompile(`(?i)invalid_api_key|authentication_error|unauthori[sz]ed|unauthenticated`)
)

// classify sets the class of an error answer. The status decides, because proxies answer in HTML;
// the words decide if there is no status, as in an error within a 200.
func (p *Provider) classify(e *llm.Error, said said, h http.Header) {
	e.Code, e.Reason = p.clean(said.code), p.clean(said.message)
	status := e.Status
	if status < http.StatusBadRequest {
		status = statusInWords(said)
	}
	switch {
	case noCredit.MatchString(said.code + " " + said.kind + " " + said.message):
		// OpenAI says 429 when the account is out of money: no wait helps.
		e.Class = fail.Permanent
		status = http.StatusPaymentRequired
	case status == http.StatusTooManyRequests,
		// Groq and vLLM behind a proxy shed load in this way.
		status == http.StatusServiceUnavailable && (h.Get("Retry-After") != "" || said.wait > 0):
		e.Class = fail.Throttled
		e.RetryAfter = retryAfter(h, said, e.Limits)
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly,
		status >= http.StatusInternalServerError, status < http.StatusBadRequest:
		e.Class = fail.Transient
	default:
		e.Class = fail.Permanent
	}
	if e.Status < http.StatusBadRequest && status > 0 {
		e.Status = status
	}
	e.Advice = advice(status, e)
	if e.Reason == "" {
		e.Reason = http.StatusText(e.Status)
	}
}

func statusInWords(s said) int {
	words := s.code + " " + s.kind + " " + s.message
	switch {
	case rateLimited.MatchString(words):
		return http.StatusTooManyRequests
	case unauthorized.MatchString(words):
		return http.StatusUnauthorized
	case overloaded.MatchString(words):
		return http.StatusServiceUnavailable
	}
	return 0
}

// advice returns the setting to check for a refusal.
func advice(status int, e *llm.Error) string {
	if e.Class != fail.Permanent {
		return ""
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "check the key (llm.key)"
	case http.StatusPaymentRequired:
		return "add credit at the provider, or set llm.second"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "check the model (llm.model) and the address with its version path (llm.url)"
	case http.StatusRequestEntityTooLarge:
		return "lower generator.prompt_tokens"
	}
	for _, a := range requestAdvice {
		if a.about.MatchString(e.Reason) {
			return a.advice
		}
	}
	return ""
}

// requestAdvice holds the setting to change if a request is refused for a part that can't be left
// out.
//
//nolint:gochecknoglobals // constant
var requestAdvice = []struct {
	about  *regexp.Regexp
	advice string
}{
	{regexp.MustCompile(`(?i)context.{0,10}(?:length|window|size)|prompt is too long|too many tokens|input.{0,20}too long`), "lower generator.prompt_tokens"},
	{regexp.MustCompile(`(?i)max_(?:completion_)?tokens`), "change generator.max_tokens or llm.max_tokens_field"},
	{regexp.MustCompile(`(?i)temperature`), "change generator.temperature"},
	{regexp.MustCompile(`(?i)reasoning|thinking|chat_template|extra`), "change llm.extra"},
	{regexp.MustCompile(`(?i)api.?key`), "check the key (llm.key)"},
	{regexp.MustCompile(`(?i)\bmodel\b`), "check the model (llm.model)"},
}

// clean makes foreign words safe for a log line: no key, one line, limited length.
func (p *Provider) clean(s string) string {
	if key := p.cfg.Key.Reveal(); key != "" {
		s = strings.ReplaceAll(s, key, p.cfg.Key.String())
	}
	return short(strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " "))
}

func short(s string) string {
	if len(s) <= maxReason {
		return s
	}
	s = s[:maxReason]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
