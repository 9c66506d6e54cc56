package operation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
)

// ErrStale reports that something has changed since the caller read it.
var ErrStale = errors.New("it has changed since you looked")

// StaleError is ErrStale with what has changed, and what it is now.
type StaleError struct{ What, Now string }

func (e *StaleError) Error() string {
	return e.What + " has changed since you looked: now it is " + e.Now + ". Look again, then change it"
}

// Unwrap makes errors.Is match ErrStale.
func (*StaleError) Unwrap() error { return ErrStale }

// Seen is the part of an operation's input that says as what somebody has seen what they
// change. Without it the operation changes whatever there is.
type Seen struct {
	Match string `header:"If-Match" json:"-" doc:"the etag of what was looked at: where it is another one meanwhile, nothing is changed (412)"`
}

// Check is an error where something is not as it was seen. Ask it in the transaction that
// changes it.
func (s Seen) Check(what string, current any, now string) error {
	if s.Match == "" || s.Match == "*" {
		return nil
	}
	tag := ETag(current)
	for given := range strings.SplitSeq(s.Match, ",") {
		if strings.TrimSpace(given) == tag {
			return nil
		}
	}
	return &StaleError{what, now}
}

// ETag tells values apart.
func ETag(v any) string {
	text, _ := json.Marshal(v) // what is shown can be written
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}
