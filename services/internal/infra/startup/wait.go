// Package startup makes a starting service wait for servers that are not up yet, or are
// briefly away.
package startup

import (
	"context"
	"errors"
	"time"
)

const (
	// retryEvery is the wait after a failed try.
	retryEvery = 250 * time.Millisecond
	// tryFor limits one try of a step: the response may be lost with a connection,
	// unnoticed.
	tryFor = 10 * time.Second
)

// Wait runs a step of the start until it succeeds, fails with an error that isn't
// temporary, or patience is over. Each try has its own time-out. Wait returns the step's
// last error.
func Wait(ctx context.Context, patience time.Duration, passes func(error) bool, step func(context.Context) error) error {
	return Retry(ctx, patience,
		func(err error) bool { return errors.Is(err, context.DeadlineExceeded) || passes(err) },
		func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, tryFor)
			defer cancel()
			return step(ctx)
		})
}

// Retry is Wait for a step without a time-out, such as a migration of a large table.
// patience limits the time in which tries begin.
func Retry(ctx context.Context, patience time.Duration, passes func(error) bool, step func(context.Context) error) error {
	until := time.Now().Add(patience)
	for {
		err := step(ctx)
		left := time.Until(until)
		if err == nil || ctx.Err() != nil || left <= 0 || !passes(err) {
			return err
		}
		retry := time.NewTimer(min(retryEvery, left))
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return err
		}
	}
}
