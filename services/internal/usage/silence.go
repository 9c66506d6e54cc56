package usage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Silence reports that no texts are written, because the last calls for texts failed.
type Silence struct {
	// Times counts the failed calls since the last text, up to maxTimes, and Since is the time of
	// the first.
	Times int
	Since time.Time
	// Provider and Model are those of the last call, and Outcome is its outcome.
	Provider, Model, Outcome string
	// Next is the time of that provider's next try, nil if it may be asked at any time. Now is the
	// database's time.
	Next *time.Time
	Now  time.Time
}

const (
	// lasting is the number of calls from which a silence is more than a hiccup.
	lasting  = 5
	maxTimes = 1000

	// If several rests have begun, the last one counts.
	findSilence = `-- look whether texts are written
WITH last AS (SELECT * FROM llm_calls WHERE purpose IN ('text', 'rewrite') ORDER BY at DESC, id DESC LIMIT 1),
    written AS (SELECT at FROM llm_calls WHERE purpose IN ('text', 'rewrite') AND outcome = 'written' ORDER BY at DESC LIMIT 1),
    failed AS (
        SELECT at, rests_until FROM llm_calls WHERE purpose IN ('text', 'rewrite') AND outcome <> 'written'
            AND at > coalesce((SELECT at FROM written), '-infinity') ORDER BY at DESC LIMIT $1)
SELECT f.times, f.since, l.provider, l.model, l.outcome, f.next, now()
FROM last l, (SELECT count(*)::integer AS times, min(at) AS since, max(rests_until) FILTER (WHERE rests_until > now()) AS next FROM failed) f
WHERE l.outcome <> 'written' AND f.times > 0`
)

// DB is a pool or a transaction.
type DB interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// FindSilence returns the silence if the last call for a text failed; else nil. Calls of the last
// seconds may not be stored yet.
func FindSilence(ctx context.Context, db DB) (*Silence, error) {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	var s Silence
	err := db.QueryRow(ctx, findSilence, maxTimes).Scan(&s.Times, &s.Since, &s.Provider, &s.Model, &s.Outcome, &s.Next, &s.Now)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // none
	case err != nil:
		return nil, fmt.Errorf("look whether texts are written: %w", err)
	}
	return &s, nil
}

// Lasts reports whether chats are silent, and not only for a moment.
func (s *Silence) Lasts() bool { return s != nil && (s.Times >= lasting || s.Next != nil) }

// Needs reports whether a person must end it: a provider that refuses will refuse again.
func (s *Silence) Needs() bool { return s.Outcome == "permanent" }

// String describes it in one line, the same in all places.
func (s *Silence) String() string {
	who := strings.Trim(s.Provider+"/"+s.Model, "/")
	times := "once"
	if s.Times > 1 {
		times = fmt.Sprintf("%d times", s.Times)
	}
	if s.Times >= maxTimes {
		times += " or more"
	}
	since := s.Since.UTC().Format("15:04")
	if s.Now.Sub(s.Since) > 12*time.Hour {
		since = s.Since.UTC().Format("2006-01-02 15:04")
	}
	text := fmt.Sprintf("no texts: the model %s %s %s since %s UTC", who, failing(s.Outcome), times, since)
	if s.Next != nil {
		text += "; next try in " + about(s.Next.Sub(s.Now))
	}
	return text
}

// about formats a duration in minutes, or in seconds if it is short.
func about(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(max(d, time.Second).Seconds()))
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
}

// failing describes the failure for the outcome of a call.
func failing(outcome string) string {
	switch outcome {
	case Empty:
		return "gave an empty answer"
	case Thought:
		return "thought and said nothing"
	case "permanent":
		return "refused to write"
	case "throttled":
		return "said that it is asked too often"
	case GivenUp:
		return "took longer than the turns had time,"
	}
	return "could not be reached or failed"
}
