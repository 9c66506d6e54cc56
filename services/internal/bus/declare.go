package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/proto/subject"
)

// Declare makes the streams and durable consumers, or changes those that differ
// in a way that the server can change. Only chorus migrate (and chorus up, which
// does its work) calls it, so that two versions of a service never fight over
// a stream's settings. What services do is Ensure.
func (b *Bus) Declare(ctx context.Context) error {
	for _, cfg := range streams(b.cfg) {
		if _, err := b.js.CreateOrUpdateStream(ctx, cfg); err != nil {
			return refusal("stream "+cfg.Name, err)
		}
	}
	if err := b.removeUnused(ctx); err != nil {
		return err
	}
	for _, q := range queues() {
		if _, err := b.js.CreateOrUpdateConsumer(ctx, q.Stream, q.consumer()); err != nil {
			return refusal(fmt.Sprintf("consumer %s of %s", q.Name, q.Stream), err)
		}
	}
	return nil
}

// formerStreams are those that older builds declared.
func formerStreams() []string { return []string{"RECEIPTS", "UPDATES", "DEAD", "MEMBERS"} }

// removeUnused removes what older builds declared: a consumer that nobody reads would
// keep a work queue from serving another one.
func (b *Bus) removeUnused(ctx context.Context) error {
	for _, name := range formerStreams() {
		if err := b.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return refusal("the removal of stream "+name, err)
		}
	}
	for _, cfg := range streams(b.cfg) {
		s, err := b.js.Stream(ctx, cfg.Name)
		if err != nil {
			return fmt.Errorf("look at stream %s: %w", cfg.Name, err)
		}
		names := s.ConsumerNames(ctx)
		for name := range names.Name() {
			if slices.ContainsFunc(queues(), func(q Queue) bool { return q.Name == name }) {
				continue
			}
			if err := s.DeleteConsumer(ctx, name); err != nil {
				return fmt.Errorf("remove consumer %s of %s: %w", name, cfg.Name, err)
			}
		}
		if err := names.Err(); err != nil {
			return fmt.Errorf("list the consumers of %s: %w", cfg.Name, err)
		}
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
		if have := s.CachedInfo().Config; have.Retention != want.Retention || !slices.Equal(have.Subjects, want.Subjects) {
			return fmt.Errorf("stream %s differs from what this build needs (subjects %v, retention %v): run chorus migrate up with this build",
				want.Name, have.Subjects, have.Retention)
		}
	}
	for _, q := range queues() {
		c, err := b.js.Consumer(ctx, q.Stream, q.Name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("the bus has no consumer %s on %s: run chorus migrate up", q.Name, q.Stream)
		}
		if err != nil {
			return fmt.Errorf("look at consumer %s: %w", q.Name, err)
		}
		if have := c.CachedInfo().Config; have.FilterSubject != q.Subject || have.AckWait != ackWait {
			return fmt.Errorf("consumer %s differs from what this build needs (filter %s, ack wait %v): run chorus migrate up with this build",
				q.Name, have.FilterSubject, have.AckWait)
		}
	}
	return nil
}

// Queue is the rings of one stage. All of its workers, in any number of processes, share
// one durable consumer: a ring goes to whoever asks first.
type Queue struct {
	Name    string // of the consumer
	Stream  string
	Subject string
}

// Texts are to be written by generators.
func Texts() Queue { return Queue{"generator", subject.Turns, subject.Text} }

// Messages are to be sent by senders.
func Messages() Queue { return Queue{"sender-message", subject.Deliveries, subject.Message} }

// Reactions are to be set by senders.
func Reactions() Queue { return Queue{"sender-reaction", subject.Deliveries, subject.Reaction} }

// Commands are to be answered by senders.
func Commands() Queue { return Queue{"sender-command", subject.Deliveries, subject.Command} }

// OfLane is the queue of a lane of deliveries; of texts where there is none yet.
func OfLane[L ~string](lane L) Queue {
	switch lane {
	case "message":
		return Messages()
	case "reaction":
		return Reactions()
	case "command":
		return Commands()
	}
	return Texts()
}

// Prompts are to be answered by planners.
func Prompts() Queue { return Queue{"planner", subject.Prompts, subject.Prompt} }

func queues() []Queue { return []Queue{Texts(), Messages(), Reactions(), Commands(), Prompts()} }

// Streams are the streams that keep rings on the disk.
func Streams() []string { return []string{subject.Turns, subject.Deliveries, subject.Prompts} }

const (
	// ringAge is how long a ring is kept. What it told of has long been found without it.
	ringAge = time.Hour
	// ackWait is how long a ring may wait in a process for its chat to be looked at.
	ackWait = 10 * time.Second
	// maxAckPending is how many rings may be with workers. It is no limit of their work.
	maxAckPending = 20_000
)

func streams(cfg Config) []jetstream.StreamConfig {
	var all []jetstream.StreamConfig
	for _, name := range Streams() {
		all = append(all, jetstream.StreamConfig{
			Name: name, Description: "chats that have something to do for a stage", Subjects: []string{subject.All(name)},
			Retention: jetstream.WorkQueuePolicy, MaxAge: ringAge, Storage: jetstream.FileStorage, Replicas: cfg.Replicas, AllowDirect: true,
			// A full stream drops what is oldest: the sweep finds what that told of, while a
			// refusal would keep what is new from being heard.
			MaxBytes: cfg.MaxBytes, Discard: jetstream.DiscardOld,
		})
	}
	return all
}

func (q Queue) consumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: q.Name, FilterSubject: q.Subject, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxDeliver: -1, MaxAckPending: maxAckPending,
	}
}

// probeSubject is a subject of a stream that no stage listens to.
func probeSubject(stream string) string {
	return strings.TrimSuffix(subject.All(stream), ">") + "probe"
}
