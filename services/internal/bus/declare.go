package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/proto/subject"
)

// declareParallel bounds the requests under way while consumers are declared.
const declareParallel = 16

// Declare makes the streams and durable consumers, or changes those that differ
// in a way that the server can change. Only chorus migrate (and chorus up, which
// does its work) calls it, so that two versions of a service never fight over
// a stream's settings. What services do is Ensure.
func (b *Bus) Declare(ctx context.Context) error {
	for _, cfg := range streams(b.cfg) {
		if err := b.samePartitions(ctx, cfg.Name); err != nil {
			return err
		}
		if _, err := b.js.CreateOrUpdateStream(ctx, cfg); err != nil {
			return refusal("stream "+cfg.Name, err)
		}
	}
	return b.eachConsumer(ctx, func(ctx context.Context, g Group, cfg jetstream.ConsumerConfig) error {
		if _, err := b.js.CreateOrUpdateConsumer(ctx, g.Stream, cfg); err != nil {
			return refusal(fmt.Sprintf("consumer %s of %s", cfg.Durable, g.Stream), err)
		}
		return nil
	})
}

// samePartitions refuses to touch a stream made for another number of
// partitions, since that would spread one chat over two lanes.
func (b *Bus) samePartitions(ctx context.Context, name string) error {
	s, err := b.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", name, err)
	}
	if have, want := s.CachedInfo().Config.Metadata[partitionsKey], fmt.Sprint(subject.Partitions); have != want {
		return fmt.Errorf("stream %s was made for %q partitions, this build has %s: drain the old fleet, delete the stream, and run chorus migrate up",
			name, have, want)
	}
	return nil
}

// Verify is an error unless the streams and consumers are there as this build
// needs them. It changes nothing.
func (b *Bus) Verify(ctx context.Context) error {
	for _, want := range streams(b.cfg) {
		s, err := b.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("the bus has no stream %s: run chorus migrate up", want.Name)
		}
		if err != nil {
			return fmt.Errorf("look at stream %s: %w", want.Name, err)
		}
		have := s.CachedInfo().Config
		if want.Name == members && have.MaxAge != want.MaxAge {
			return fmt.Errorf("stream %s keeps heartbeats for %v, this build is configured for %v (nats.member_ttl): run chorus migrate up with this configuration",
				want.Name, have.MaxAge, want.MaxAge)
		}
		if have.Retention != want.Retention || !slices.Equal(have.Subjects, want.Subjects) || have.Metadata[partitionsKey] != want.Metadata[partitionsKey] {
			return fmt.Errorf("stream %s differs from what this build needs (subjects %v, retention %v, %s partitions): run chorus migrate up with this build",
				want.Name, have.Subjects, have.Retention, have.Metadata[partitionsKey])
		}
	}
	return b.eachConsumer(ctx, func(ctx context.Context, g Group, want jetstream.ConsumerConfig) error {
		c, err := b.js.Consumer(ctx, g.Stream, want.Durable)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("the bus has no consumer %s on %s: run chorus migrate up", want.Durable, g.Stream)
		}
		if err != nil {
			return fmt.Errorf("look at consumer %s: %w", want.Durable, err)
		}
		have := c.CachedInfo().Config
		if have.FilterSubject != want.FilterSubject || have.AckWait != want.AckWait || have.PriorityPolicy != want.PriorityPolicy {
			return fmt.Errorf("consumer %s differs from what this build is configured for (filter %s, ack wait %v): "+
				"run chorus migrate up with this build and configuration",
				want.Durable, have.FilterSubject, have.AckWait)
		}
		return nil
	})
}

func (b *Bus) eachConsumer(ctx context.Context, do func(context.Context, Group, jetstream.ConsumerConfig) error) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(declareParallel)
	for _, g := range groups() {
		for p := range g.consumers() {
			all.Go(func() error {
				ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				return do(ctx, g, g.consumer(b.cfg, p))
			})
		}
	}
	return all.Wait()
}
