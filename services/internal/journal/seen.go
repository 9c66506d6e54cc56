package journal

import (
	"context"
	"fmt"
	"time"
)

// SeenEvery is how often a sender should be Seen.
const SeenEvery = time.Second

// silence is how long after it was last seen a sender is taken for dead.
const silence = 3 * SeenEvery

// callTime is longer than any call takes: with all its time-outs 45 s, and then
// the time to write down what came of it.
const callTime = time.Minute

// remembered is how long it is known that a sender was there.
const remembered = 24 * time.Hour

const (
	seen = `
INSERT INTO senders (owner) VALUES ($1)
ON CONFLICT (owner) DO UPDATE SET seen_at = now()`
	forgetSenders = `DELETE FROM senders WHERE owner = $1 OR seen_at < now() - $2::interval`
)

// Seen tells the other senders that an owner of claims lives. While it does, the
// calls that it has begun are its own, whatever the bus thinks of it.
func (j *Journal) Seen(ctx context.Context, owner string) error {
	if _, err := j.pool.Exec(ctx, seen, owner); err != nil {
		return fmt.Errorf("say that sender %s lives: %w", owner, err)
	}
	return nil
}

// Gone tells the other senders that an owner will do nothing more.
func (j *Journal) Gone(ctx context.Context, owner string) error {
	if _, err := j.pool.Exec(ctx, forgetSenders, owner, remembered); err != nil {
		return fmt.Errorf("say that sender %s has gone: %w", owner, err)
	}
	return nil
}
