package relay

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// Group is the relays of one service.
type Group []*Relay

// Hurry makes all of them look at what the bus may have lost.
func (g Group) Hurry() {
	for _, r := range g {
		r.Hurry()
	}
}

// Around runs a service's work and its relays. They outlive the work, whose last
// rows they publish. It returns when all have ended.
func (g Group) Around(ctx context.Context, work func(context.Context) error) error {
	publishing, published := context.WithCancel(context.WithoutCancel(ctx))
	var relays errgroup.Group
	for _, r := range g {
		relays.Go(func() error { return r.Run(publishing) })
	}
	err := work(ctx)
	published()
	return errors.Join(err, relays.Wait())
}
