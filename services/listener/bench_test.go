package listener_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// From the emulator's receipt of a message until the bus has its update, with five
// bots in a supergroup, at 50 messages a second.
func BenchmarkHeard(b *testing.B) {
	s := newStage(b, 5)
	chat, there := s.chat(world.Supergroup, "Here")
	s.listen()
	s.settled()
	nc, err := nats.Connect(s.nats.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	const messages, rate = 500, 50
	var mu sync.Mutex
	said, took := map[string]time.Time{}, []time.Duration{}
	done := make(chan struct{})
	if _, err := nc.Subscribe(fmt.Sprint("update.", chat), func(m *nats.Msg) {
		u := &chorusv1.Update{}
		if err := proto.Unmarshal(m.Data, u); err != nil {
			b.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if at, ok := said[u.GetText()]; ok {
			took = append(took, time.Since(at))
		}
		if len(took) == messages {
			close(done)
		}
	}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		tick := time.NewTicker(time.Second / rate)
		for i := range messages {
			<-tick.C
			text := fmt.Sprintf("question %d?", i)
			mu.Lock()
			said[text] = time.Now()
			mu.Unlock()
			s.say(there, "Tom", text, 0)
		}
		tick.Stop()
		<-done
		slices.Sort(took)
		fmt.Printf("figure listener.heard_p99_ms %.1f ms\n", took[len(took)*99/100].Seconds()*1000)
	}
}
