package operation

import (
	"strconv"
	"time"
)

// Instant reads a time as people and date fields write it, in UTC; an empty
// one is none.
func Instant(field, text string, none time.Time) (time.Time, error) {
	if text == "" {
		return none, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return none, &InvalidError{Field: field, Value: strconv.Quote(text), Want: "a time such as 2026-01-31 or 2026-01-31T18:30, in UTC"}
}
