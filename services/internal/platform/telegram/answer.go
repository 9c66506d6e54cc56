package telegram

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// envelope is the outer JSON object of the Bot API's responses.
type envelope struct {
	OK          *bool           `json:"ok"`
	Result      json.RawMessage `json:"result"`
	ErrorCode   int             `json:"error_code"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter float64 `json:"retry_after"`
		MigrateTo  int64   `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// outcome returns the outcome of an exchange, with the result if it is Done.
func (x *exchange) outcome() (Outcome, json.RawMessage) {
	out, result := x.judge()
	out.At = x.at()
	out.Description = clean(out.Description, x.token)
	return out, result
}

func (x *exchange) judge() (Outcome, json.RawMessage) {
	switch {
	case x.status == 0, x.late.Load(): // then the response is to a request without its body
		return x.unanswered(), nil
	case x.status == http.StatusTooManyRequests && x.err != nil:
		// A 429 is clear even if its body couldn't be read.
		return x.refused(envelope{}), nil
	case x.err != nil:
		return Outcome{Kind: Unknown, Status: x.status, Description: reason(x.err)}, nil
	}
	var e envelope
	if int64(len(x.body)) > x.maxAnswer {
		return x.foreign(), nil // cut off
	}
	if err := json.Unmarshal(x.body, &e); err != nil || e.OK == nil {
		return x.foreign(), nil
	}
	if *e.OK && x.status < 300 {
		return Outcome{Kind: Done, Status: x.status}, e.Result
	}
	return x.refused(e), nil
}

// at returns the time of the response by the server's clock; zero if unknown.
func (x *exchange) at() time.Time {
	at, err := http.ParseTime(x.header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// unanswered returns the outcome without a response.
func (x *exchange) unanswered() Outcome {
	if x.late.Load() {
		return Outcome{Kind: NotSent, TooLate: true, Description: errTooLate.Error()}
	}
	if x.written.Load() {
		return Outcome{Kind: Unknown, Description: reason(x.err)}
	}
	return Outcome{Kind: NotSent, Description: reason(x.err)}
}

// foreign returns the outcome of a response that isn't the Bot API's, usually a proxy's
// page. It doesn't tell what the Bot API behind it did, except that a 429 comes before any
// effect.
func (x *exchange) foreign() Outcome {
	if x.status == http.StatusTooManyRequests {
		return x.refused(envelope{})
	}
	return Outcome{
		Kind: Unknown, Status: x.status,
		Description: fmt.Sprintf("%d %s, and no answer of the Bot API (%d bytes of %q)",
			x.status, http.StatusText(x.status), len(x.body), x.header.Get("Content-Type")),
	}
}

func (x *exchange) refused(e envelope) Outcome {
	a := answer{status: e.ErrorCode, description: e.Description, migrateTo: e.Parameters.MigrateTo}
	if a.status == 0 {
		a.status = x.status
	}
	if a.description == "" {
		a.description = http.StatusText(a.status)
	}
	a.retryAfter = seconds(e.Parameters.RetryAfter)
	if a.retryAfter == 0 {
		a.retryAfter = x.headerWait()
	}
	return classify(a)
}

// headerWait returns the wait in Retry-After, which is in seconds or a date by the server's
// clock; 0 if there is none.
func (x *exchange) headerWait() time.Duration {
	v := strings.TrimSpace(x.header.Get("Retry-After"))
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return seconds(s)
	}
	if at, err := http.ParseTime(v); err == nil {
		now := x.at()
		if now.IsZero() {
			now = time.Now()
		}
		return max(at.Sub(now), 0)
	}
	return 0
}

// seconds converts a server's number of seconds, however large. It returns 0 unless s is
// positive.
func seconds(s float64) time.Duration {
	switch {
	case !(s > 0):
		return 0
	case s >= math.MaxInt64/float64(time.Second):
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}

// reason returns an error's text without the address, which contains the token.
func reason(err error) string {
	if at, ok := errors.AsType[*url.Error](err); ok {
		err = at.Err
	}
	if err == nil {
		return "no answer"
	}
	return err.Error()
}

const (
	mask = "***"
	// maxDescription limits foreign texts in logs and rows, in bytes.
	maxDescription = 500
	// minSecret is the minimum length of a token's part after the colon to be masked by
	// itself. Telegram's has 35 characters.
	minSecret = 16
)

// clean masks the token in a description, in full or in part, replaces control characters,
// and cuts it to maxDescription. A server may repeat the token.
func clean(description, token string) string {
	if token != "" {
		description = strings.ReplaceAll(description, token, mask)
	}
	if _, key, ok := strings.Cut(token, ":"); ok && len(key) >= minSecret {
		description = strings.ReplaceAll(description, key, mask)
	}
	description = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return ' '
		}
		return r
	}, description), "\uFFFD")
	if len(description) <= maxDescription {
		return description
	}
	end := maxDescription
	for !utf8.RuneStart(description[end]) {
		end--
	}
	return description[:end] + "…"
}
