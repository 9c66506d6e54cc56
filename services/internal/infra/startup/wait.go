// Package startup lets a service wait, when it starts, for servers that are not there
// yet, or are gone again for a moment.
package startup

import (
	"context"
	"errors"
	"time"
)

const (
	// retryEvery is how long a server is left alone that failed.
	retryEvery = 250 * time.Millisecond
	// tryFor is how long one try of a step may take: the answer to a request may be lost
	// with a connection, and nobody tells whoever waits for it.
	tryFor = 10 * time.Second
)

// Wait does a step of the start until it succeeds, fails with an error that doesn't
// pass, or has been tried for as long as patience. Each try has its own time-out. It
// returns the step's last error.
func Wait(ctx context.Context, patience time.Duration, passes func(error) bool, step func(context.Context) error) error {
	return Retry(ctx, patience,
		func(err error) bool { return errors.Is(err, context.DeadlineExceeded) || passes(err) },
		func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, tryFor)
			defer cancel()
			return step(ctx)
		})
}

// Retry is Wait for a step that takes what it takes, such as a migration of a large
// table: patience is how long it is begun again.
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
