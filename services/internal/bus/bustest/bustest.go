// Package bustest opens the bus for tests, and holds back what is on it.
package bustest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// Open connects to the bus that the configuration names, and declares its
// streams and consumers. The test's end closes it.
func Open(t testing.TB, cfg bus.Config) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.Declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// JetStream looks into the server behind the services' back. The test's end closes it.
func JetStream(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Hold keeps a stream's consumers from what is on it. Release lets all of it go at
// one time, soon, which it returns.
func Hold(t testing.TB, url, stream string) (release func() time.Time) {
	t.Helper()
	js := JetStream(t, url)
	held, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	names := held.ConsumerNames(t.Context())
	var consumers []string
	for name := range names.Name() {
		consumers = append(consumers, name)
	}
	if err := names.Err(); err != nil {
		t.Fatal(err)
	}
	pause := func(until time.Time) {
		t.Helper()
		for _, name := range consumers {
			if _, err := held.PauseConsumer(t.Context(), name, until); err != nil {
				t.Fatal(err)
			}
		}
	}
	pause(time.Now().Add(time.Hour))
	// A pause that runs out gives who waits what there is. One that is ended by a
	// request does not: the server (2.15) then serves only who asks anew.
	return func() time.Time {
		t.Helper()
		at := time.Now().Add(releaseIn)
		pause(at)
		if late := time.Since(at); late > 0 {
			t.Fatalf("it took %v longer than %v to say when %d consumers go on", late, releaseIn, len(consumers))
		}
		return at
	}
}

// releaseIn is more than it takes to tell all consumers.
const releaseIn = 500 * time.Millisecond
