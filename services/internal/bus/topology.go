package bus

import (
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
)

// Group is the durable consumers of one kind of work, one for each partition.
// Those who consume a group share them, see Consumer. Besides, the server pins each
// to one reader at a time, so that two who both think a partition theirs, as for
// a moment happens, don't read it side by side.
//
// Work that needs no order has no partitions: its group is one consumer that all
// read side by side, each message going to whoever asks first.
type Group struct {
	Name   string
	Stream string
	filter func(partition int) string // nil where there are no partitions
}

// Planner is the work of answering people at once. What is answered first
// doesn't matter, and a reader that dies holds up only what it had in hand.
func Planner() Group { return Group{Name: "planner", Stream: subject.Updates} }

// Generator is the work of writing texts.
func Generator() Group {
	return Group{Name: "generator", Stream: subject.Turns, filter: subject.TurnPartition}
}

// SenderMessages is the work of sending messages.
func SenderMessages() Group {
	return senderGroup("sender-message", chorusv1.Action_ACTION_SEND_MESSAGE)
}

// SenderReactions is the work of setting reactions. It has consumers of its
// own, so that reactions that hang use up no message's budget.
func SenderReactions() Group {
	return senderGroup("sender-reaction", chorusv1.Action_ACTION_SET_REACTION)
}

func senderGroup(name string, action chorusv1.Action) Group {
	return Group{Name: name, Stream: subject.Deliveries, filter: func(partition int) string {
		// The action is one of the two above, which have subjects.
		filter, err := subject.DeliveryPartition(action, partition)
		if err != nil {
			panic(err)
		}
		return filter
	}}
}

func (g Group) partitioned() bool { return g.filter != nil }

// consumers is how many the group has.
func (g Group) consumers() int {
	if g.partitioned() {
		return subject.Partitions
	}
	return 1
}

func (g Group) durable(partition int) string {
	if g.partitioned() {
		return fmt.Sprintf("%s-%02d", g.Name, partition)
	}
	return g.Name
}

// pinGroup is the one priority group that every consumer has.
const pinGroup = "owner"

// pullExpiry is how often a reader asks anew at least; nats.go allows no less.
const pullExpiry = time.Second

// redeliverAfter is when the server gives out a message again that it has no sign
// of life of.
func (c Config) redeliverAfter() time.Duration { return c.AckWait - pullExpiry }

// pinnedTTL is how long a partition stays with a reader that asks for nothing. It
// outlasts what the reader has in hand: so the next one first gets that, and then
// what is new.
func (c Config) pinnedTTL() time.Duration { return c.redeliverAfter() + pullExpiry }

// beatEvery is how often members say that they are there.
func (c Config) beatEvery() time.Duration { return c.MemberTTL / lastBeat }

// dedupWindow is the bus's first filter against doubles. Longer ones cost
// memory, and the journal decides anyway.
const dedupWindow = 2 * time.Minute

// partitionsKey is where a stream says how many partitions it was made for.
const partitionsKey = "chorus-partitions"

// memberBytes is room for the heartbeats of some ten thousand members, in memory.
const memberBytes = 4 << 20

func streams(cfg Config) []jetstream.StreamConfig {
	partitions := map[string]string{partitionsKey: strconv.Itoa(subject.Partitions)}
	const day = 24 * time.Hour
	stream := func(name, description string, age time.Duration) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Description: description, Subjects: []string{subject.All(name)},
			MaxAge: age, MaxBytes: cfg.MaxBytes, Storage: jetstream.FileStorage, Replicas: cfg.Replicas,
			Duplicates: dedupWindow, AllowDirect: true, Metadata: partitions,
		}
	}
	// A full queue refuses what is new, which the journal keeps until there is room.
	// What it loses by age, the journal still knows and closes.
	queue := func(name, description string, age time.Duration) jetstream.StreamConfig {
		s := stream(name, description, age)
		s.Retention, s.Discard = jetstream.WorkQueuePolicy, jetstream.DiscardNew
		return s
	}
	// A full record drops what is oldest: nobody waits for it, and a refusal would
	// stop who writes it.
	record := func(name, description string, age time.Duration) jetstream.StreamConfig {
		s := stream(name, description, age)
		s.Retention, s.Discard = jetstream.LimitsPolicy, jetstream.DiscardOld
		return s
	}
	return []jetstream.StreamConfig{
		queue(subject.Turns, "what the planner decided", day),
		queue(subject.Deliveries, "calls to make to Telegram", 2*day),
		record(subject.Receipts, "how turns ended", day),
		// Nobody answers what was said an hour ago.
		record(subject.Updates, "what was heard in the chats", day),
		record(subject.Dead, "messages that can't be handled", 7*day),
		{
			Name: members, Description: "who shares the partitions", Subjects: []string{memberSubjects},
			Retention: jetstream.LimitsPolicy, MaxAge: cfg.MemberTTL, MaxMsgsPerSubject: 1, MaxBytes: memberBytes,
			Storage: jetstream.MemoryStorage, Replicas: cfg.Replicas, Duplicates: cfg.MemberTTL, Metadata: partitions,
		},
	}
}

func groups() []Group { return []Group{Planner(), Generator(), SenderMessages(), SenderReactions()} }

func (g Group) consumer(cfg Config, partition int) jetstream.ConsumerConfig {
	out := jetstream.ConsumerConfig{
		Durable:   g.durable(partition),
		AckPolicy: jetstream.AckExplicitPolicy,
		AckWait:   cfg.redeliverAfter(),
		// A work queue keeps a message whose deliveries are used up for ever and
		// hands it to nobody. So the server never gives up; the reader does, and
		// writes a dead letter.
		MaxDeliver: -1,
	}
	if !g.partitioned() {
		out.FilterSubject = subject.All(g.Stream)
		// Each reader keeps to MaxPending. A budget of all together would be used up
		// by one that can't do its work.
		out.MaxAckPending = -1
		return out
	}
	out.FilterSubject = g.filter(partition)
	out.MaxAckPending = cfg.MaxPending
	out.PriorityPolicy = jetstream.PriorityPolicyPinned
	out.PriorityGroups = []string{pinGroup}
	out.PinnedTTL = cfg.pinnedTTL()
	return out
}
