package fault

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Parse reads a rule in its short form: METHOD:FAULT[:DESCRIPTION][:OPTION]...
//
//	setMessageReaction:400:REACTION_INVALID
//	setMessageReaction:hang=30s:rate=0.5
//	sendMessage:429:retry_after=30:count=3
//	*:502:body=html:bot=ada_bot
//
// METHOD may be * for all. FAULT is an HTTP status, or one of latency=DURATION,
// hang[=DURATION], hang_after[=DURATION], reset_before, reset_after, kicked.
// Options: id, bot, chat, rate, seed, retry_after, body, count, until (RFC 3339).
func Parse(short string) (Rule, error) {
	if !utf8.ValidString(short) {
		return Rule{}, fmt.Errorf("fault %q: must be UTF-8", short)
	}
	parts := strings.Split(short, ":")
	if len(parts) < 2 || parts[0] == "" {
		return Rule{}, fmt.Errorf("fault %q: must be METHOD:FAULT, for example sendMessage:429:retry_after=30", short)
	}
	var r Rule
	if parts[0] != "*" {
		r.Method = parts[0]
	}
	if err := r.parseKind(parts[1]); err != nil {
		return Rule{}, fmt.Errorf("fault %q: %w", short, err)
	}
	for i := 2; i < len(parts); i++ {
		name, value, ok := strings.Cut(parts[i], "=")
		if ok && name == "until" { // times have colons of their own
			value = strings.Join(append([]string{value}, parts[i+1:]...), ":")
			i = len(parts)
		}
		if err := r.parseOption(name, value, ok); err != nil {
			return Rule{}, fmt.Errorf("fault %q: %w", short, err)
		}
	}
	if r.Kind == Status && r.Status == http.StatusTooManyRequests && r.RetryAfter == 0 {
		r.RetryAfter = 1
	}
	if err := r.Validate(); err != nil {
		return Rule{}, fmt.Errorf("fault %q: %w", short, err)
	}
	return r, nil
}

func (r *Rule) parseKind(text string) error {
	if status, err := strconv.Atoi(text); err == nil {
		r.Kind, r.Status = Status, status
		return nil
	}
	name, value, ok := strings.Cut(text, "=")
	r.Kind = Kind(name)
	if !slices.Contains(kinds(), r.Kind) || r.Kind == Status {
		return fmt.Errorf("%q is not a fault: must be an HTTP status, latency=DURATION, hang, hang_after, reset_before, reset_after or kicked", text)
	}
	if !ok {
		return nil
	}
	return r.Duration.UnmarshalText([]byte(value))
}

func (r *Rule) parseOption(name, value string, hasValue bool) error {
	if !hasValue || !slices.Contains(options(), name) {
		if r.Kind != Status {
			return fmt.Errorf("%q is not an option: must be one of %s, each with =VALUE", name, strings.Join(options(), ", "))
		}
		if r.Description != "" {
			r.Description += ":"
		}
		r.Description += name
		if hasValue {
			r.Description += "=" + value
		}
		return nil
	}
	var err error
	switch name {
	case "id":
		r.ID = value
	case "bot":
		r.Bot = value
	case "body":
		r.Body = value
	case "chat":
		r.Chat, err = strconv.ParseInt(value, 10, 64)
	case "rate":
		// In a rule 0 stands for "not given", so here it would mean "always".
		if r.Rate, err = strconv.ParseFloat(value, 64); err == nil && r.Rate == 0 {
			err = errors.New("0 is not allowed, must be above 0 and up to 1")
		}
	case "seed":
		r.Seed, err = strconv.ParseUint(value, 10, 64)
	case "retry_after":
		r.RetryAfter, err = strconv.Atoi(value)
	case "count":
		r.Count, err = strconv.Atoi(value)
	case "until":
		r.Until, err = time.Parse(time.RFC3339, value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func options() []string {
	return []string{"id", "bot", "chat", "rate", "seed", "retry_after", "body", "count", "until"}
}
