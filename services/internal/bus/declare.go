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

// Declare creates the streams and durable consumers, and updates those with other settings
// where the server can. Only chorus migrate and chorus up call it, so that two versions of
// a service never overwrite each other's settings in turn. Services call Ensure.
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

// formerStreams returns the streams that older builds declared.
func formerStreams() []string { return []string{"RECEIPTS", "UPDATES", "DEAD", "MEMBERS"} }

// removeUnused deletes streams and consumers that older builds declared. A work queue
// doesn't allow a second consumer of the same subject, so an unused one would prevent a new
// one.
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

// Verify returns an error unless the streams and consumers exist with the settings that
// this build needs. It changes nothing.
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

// Queue is the queue of rings of one stage. All its workers, in any number of processes,
// share one durable consumer, so each ring goes to one of them.
type Queue struct {
	Name    string // the consumer's name
	Stream  string
	Subject string
}

// Texts returns the queue of chats with texts to write, for generators.
func Texts() Queue { return Queue{"generator", subject.Turns, subject.Text} }

// Messages returns the queue of chats with messages to send, for senders.
func Messages() Queue { return Queue{"sender-message", subject.Deliveries, subject.Message} }

// Reactions returns the queue of chats with reactions to set, for senders.
func Reactions() Queue { return Queue{"sender-reaction", subject.Deliveries, subject.Reaction} }

// Commands returns the queue of chats with commands to answer, for senders.
func Commands() Queue { return Queue{"sender-command", subject.Deliveries, subject.Command} }

// OfLane returns the queue of a lane of deliveries. The empty lane is that of texts.
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

// Prompts returns the queue of chats with prompts to answer, for planners.
func Prompts() Queue { return Queue{"planner", subject.Prompts, subject.Prompt} }

func queues() []Queue { return []Queue{Texts(), Messages(), Reactions(), Commands(), Prompts()} }

// Streams returns the names of the streams.
func Streams() []string { return []string{subject.Turns, subject.Deliveries, subject.Prompts} }

const (
	// ringAge is the lifetime of a ring. The sweep finds the rows of an older one long
	// before.
	ringAge = time.Hour
	// ackWait is the time for a worker to acknowledge a ring before it is delivered again.
	ackWait = 10 * time.Second
	// maxAckPending limits the unacknowledged rings of a queue. It is too high to limit the
	// workers.
	maxAckPending = 20_000
)

func streams(cfg Config) []jetstream.StreamConfig {
	var all []jetstream.StreamConfig
	for _, name := range Streams() {
		all = append(all, jetstream.StreamConfig{
			Name: name, Description: "chats that have something to do for a stage", Subjects: []string{subject.All(name)},
			Retention: jetstream.WorkQueuePolicy, MaxAge: ringAge, Storage: jetstream.FileStorage, Replicas: cfg.Replicas, AllowDirect: true,
			// A full stream drops its oldest rings, whose rows the sweep finds. The
			// alternative, to refuse new rings, would delay new rows.
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

// probeSubject returns a subject of the stream that no queue reads.
func probeSubject(stream string) string {
	return strings.TrimSuffix(subject.All(stream), ">") + "probe"
}
