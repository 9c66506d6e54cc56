package listener_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// BenchmarkHeard measures the time from a question in the emulator until its ring, with
// five bots in a supergroup, at 50 messages a second.
func BenchmarkHeard(b *testing.B) {
	s := newStage(b, 5)
	_, there := s.chat(world.Supergroup, "Here")
	s.listen()
	s.settled()
	nc, err := nats.Connect(s.nats.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	const messages, rate = 500, 50
	rung := make(chan time.Time, messages)
	if _, err := nc.Subscribe(subject.Prompt, func(*nats.Msg) { rung <- time.Now() }); err != nil {
		b.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var took []time.Duration
		tick := time.NewTicker(time.Second / rate)
		for i := range messages {
			<-tick.C
			said := time.Now()
			s.say(there, "Tom", fmt.Sprintf("question %d?", i), 0)
			took = append(took, (<-rung).Sub(said))
		}
		tick.Stop()
		slices.Sort(took)
		fmt.Printf("figure listener.heard_p99_ms %.1f ms\n", took[len(took)*99/100].Seconds()*1000)
	}
}
