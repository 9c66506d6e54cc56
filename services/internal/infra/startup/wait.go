// Package startup lets a service wait, when it starts, for servers that are not there
// yet, or are gone again for a moment.
package startup

import (
	"context"
	"time"
)

// retryEvery is how long a server is left alone that failed.
const retryEvery = 250 * time.Millisecond

// Wait does a step of the start until it succeeds, fails with an error that doesn't
// pass, or the time is over. It returns the step's last error.
func Wait(ctx context.Context, patience time.Duration, passes func(error) bool, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := step(ctx)
		if err == nil || ctx.Err() != nil || !passes(err) {
			return err
		}
		retry := time.NewTimer(retryEvery)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return err
		}
	}
}
