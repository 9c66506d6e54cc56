package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// members is the stream of the heartbeats. It keeps each member's last for the
// members' TTL, so that a newcomer knows the others at once. Whoever is there
// listens to the subjects themselves: that needs neither the stream nor a
// consumer, and goes on by itself after an outage.
const members = "MEMBERS"

const (
	memberSubjects = "member.>"
	// goodbye is the payload of a member's last message; heartbeats have none.
	goodbye = "gone"
	// The requests with which a member comes and goes.
	attendTimeout = 5 * time.Second
	leaveTimeout  = time.Second
	// memberBuffer is room for the heartbeats of a large fleet; what overflows
	// is made good by the next.
	memberBuffer = 1024
)

// member takes part in a group: the other members hear it, and it
// hears them. One goroutine at a time may use it.
type member struct {
	*membership

	bus     *Bus
	subject string
	stream  jetstream.Stream
	inbox   chan *nats.Msg
	sub     *nats.Subscription
}

// attend joins a group. What comes to its inbox belongs into note; every third of
// the members' TTL, pulse must be called; in the end, leave.
func (b *Bus) attend(ctx context.Context, group string) (*member, error) {
	ctx, cancel := context.WithTimeout(ctx, attendTimeout)
	defer cancel()
	prefix := fmt.Sprintf("member.%s.", group)
	a := &member{
		membership: newMembership(rand.Text()), bus: b,
		inbox: make(chan *nats.Msg, memberBuffer),
	}
	a.subject = prefix + a.self
	var err error
	a.stream, err = b.js.Stream(ctx, members)
	if errors.Is(err, jetstream.ErrStreamNotFound) { // its one server was restarted
		if err = b.Restore(ctx); err == nil {
			a.stream, err = b.js.Stream(ctx, members)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", members, err)
	}
	// First listen, then look, and say hello last: so two that come at the same
	// time don't miss each other.
	if a.sub, err = b.nc.ChanSubscribe(prefix+"*", a.inbox); err != nil {
		return nil, fmt.Errorf("listen to the members of %s: %w", group, err)
	}
	info, err := a.stream.Info(ctx, jetstream.WithSubjectFilter(prefix+"*"))
	if err != nil {
		a.unsubscribe()
		return nil, fmt.Errorf("look for the members of %s: %w", group, err)
	}
	for s := range info.State.Subjects {
		a.hear(strings.TrimPrefix(s, prefix))
	}
	a.say("")
	return a, nil
}

// note takes in what a member said, and tells whether the members have changed.
func (a *member) note(m *nats.Msg) bool {
	id := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	if string(m.Data) == goodbye {
		return a.lose(id)
	}
	return a.hear(id)
}

// pulse is a heartbeat. It tells whether a member was found dead.
func (a *member) pulse() bool {
	changed := a.beat()
	a.say("")
	return changed
}

// say speaks to whoever listens. While the bus is lost nobody does, and the next
// heartbeat makes up for it.
func (a *member) say(what string) {
	if err := a.bus.nc.Publish(a.subject, []byte(what)); err != nil {
		a.bus.log.Debug("a heartbeat was not sent", zap.Error(err))
	}
}

// leave takes leave of the others, who divide up this one's partitions at once.
// If that fails they do it when they miss its heartbeats.
func (a *member) leave(ctx context.Context) {
	a.unsubscribe()
	if !a.bus.nc.IsConnected() {
		return
	}
	a.say(goodbye)
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if err := a.stream.Purge(ctx, jetstream.WithPurgeSubject(a.subject)); err != nil {
		a.bus.log.Debug("the last heartbeat was left behind", zap.Error(err))
	}
}

func (a *member) unsubscribe() {
	if err := a.sub.Unsubscribe(); err != nil {
		a.bus.log.Debug("the members are still listened to", zap.Error(err))
	}
}
