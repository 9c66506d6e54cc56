package subject

import (
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// The partition of a chat is part of the contract: were it to change, the
// messages of one chat would be in two partitions while a fleet is upgraded.
func TestPartitionIsPinned(t *testing.T) {
	for chat, want := range map[int64]int{1: 48, 2: 25, 3: 46, 42: 36, 1000: 20, 99999: 26, 1 << 40: 51} {
		if got := Partition(chat); got != want {
			t.Errorf("Partition(%d) = %d, want %d", chat, got, want)
		}
	}
}

func TestPartitionsAreEven(t *testing.T) {
	const chats = 64_000
	var count [Partitions]int
	for chat := int64(1); chat <= chats; chat++ {
		count[Partition(chat)]++
	}
	for p, n := range count {
		if mean := chats / Partitions; n < mean*8/10 || n > mean*12/10 {
			t.Errorf("partition %d holds %d of %d chats, want within 20 %% of %d", p, n, chats, mean)
		}
	}
}

func TestSubjects(t *testing.T) {
	delivery := func(a chorusv1.Action) string {
		s, err := Delivery(a, 42)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for got, want := range map[string]string{
		Turn(42): "turn.36.42",
		delivery(chorusv1.Action_ACTION_SEND_MESSAGE):   "delivery.message.36.42",
		delivery(chorusv1.Action_ACTION_SET_REACTION):   "delivery.reaction.36.42",
		Receipt(chorusv1.Outcome_OUTCOME_FELL_BACK, 42): "receipt.fell_back.42",
		Update(42):              "update.42",
		DeadLetter("TURNS", 42): "dead.turns.42",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if Chat(got) != 42 {
			t.Errorf("Chat(%q) = %d, want 42", got, Chat(got))
		}
	}
	if _, err := Delivery(chorusv1.Action_ACTION_UNSPECIFIED, 1); err == nil {
		t.Error("an unspecified action got a subject")
	}
}

func TestChatOfStrangeSubjects(t *testing.T) {
	for _, s := range []string{"", "turn", "turn.", "turn.x", "turn.1.-4", "turn.1.99999999999999999999"} {
		if got := Chat(s); got != 0 {
			t.Errorf("Chat(%q) = %d, want 0", s, got)
		}
	}
}

func FuzzParseTurnID(f *testing.F) {
	f.Add("3-17")
	f.Add("--")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseTurnID(s)
		if err != nil {
			return
		}
		again, err := ParseTurnID(TurnID(id))
		if err != nil || again.GetChatId() != id.GetChatId() || again.GetNumber() != id.GetNumber() {
			t.Errorf("%q: %v read back as %v, %v", s, id, again, err)
		}
	})
}
