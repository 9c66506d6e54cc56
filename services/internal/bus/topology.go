package bus

import (
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/proto/subject"
)

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
