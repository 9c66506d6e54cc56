package sender

import (
	"fmt"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

func TestWhatIsBehindComesBackLessAndLessOften(t *testing.T) {
	behind, err := otter.New(&otter.Options[string, *time.Duration]{MaximumSize: maxBehind})
	if err != nil {
		t.Fatal(err)
	}
	s := &Sender{behind: behind}
	one := &chorusv1.Delivery{Id: &chorusv1.TurnId{ChatId: 1, Number: 1}}
	other := &chorusv1.Delivery{Id: &chorusv1.TurnId{ChatId: 1, Number: 2}}
	var pauses []time.Duration
	for range 5 {
		pauses = append(pauses, s.stepBehind(one))
	}
	if got := fmt.Sprint(append(pauses, s.stepBehind(other))); got != "[1s 2s 4s 8s 8s 1s]" {
		t.Errorf("steps aside for %s", got)
	}
}
