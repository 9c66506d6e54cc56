package bus_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
)

func TestFollowersAreTold(t *testing.T) {
	b, server := declared(t)
	follower, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	events, err := follower.SubscribeSync(subject.Events)
	if err != nil {
		t.Fatal(err)
	}
	if err := follower.Flush(); err != nil {
		t.Fatal(err)
	}
	b.Tell(subject.Planned, &chorusv1.Event{}) // empty
	want := &chorusv1.Event{Turns: []*chorusv1.TurnId{{ChatId: 3, Number: 17}}, Chats: []int64{4}}
	b.Tell(subject.Sent, want)
	m, err := events.NextMsg(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var got chorusv1.Event
	if err := proto.Unmarshal(m.Data, &got); err != nil || m.Subject != subject.Sent || !proto.Equal(&got, want) {
		t.Errorf("told of %s: %v (%v)", m.Subject, &got, err)
	}
	server.Stop()
	b.Tell(subject.Sent, want) // doesn't block
}
