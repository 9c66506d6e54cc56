package bus_test

import (
	"testing"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
)

func TestWhatIsErasedIsGoneAndTheLastIsKnown(t *testing.T) {
	b, _ := declared(t)
	update := func(number int64) bus.Message {
		return bus.Message{Subject: subject.Update(7), ID: subject.UpdateID(7, number), Payload: []byte("secret")}
	}
	if last, err := b.Last(t.Context(), subject.Updates, subject.Update(7)); err != nil || last != (bus.Stored{}) {
		t.Errorf("the last of nothing is %v, %v", last, err)
	}
	sequences := publish(t, b, update(1), update(2), update(3))
	want := bus.Stored{Sequence: sequences[2], ID: "7-3"}
	if last, err := b.Last(t.Context(), subject.Updates, subject.Update(7)); err != nil || last != want {
		t.Errorf("the last is %v, %v", last, err)
	}
	// Twice, and what never was: that is no error.
	for range 2 {
		if err := b.Erase(t.Context(), subject.Updates, sequences[0], sequences[2], 99); err != nil {
			t.Error(err)
		}
	}
	held, err := b.Held(t.Context(), subject.Updates, []bus.Stored{
		{Sequence: sequences[0], ID: "7-1"}, {Sequence: sequences[1], ID: "7-2"}, {Sequence: sequences[2], ID: "7-3"},
	})
	if err != nil || held[0] || !held[1] || held[2] {
		t.Errorf("held: %v, %v", held, err)
	}
}
