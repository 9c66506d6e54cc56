package outage_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
)

var errAway = errors.New("connection refused")

// played notes failures (x) and successes (o), waits a second per space, and returns the
// lines.
func played(t *testing.T, script string) (lines []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		core, seen := observer.New(zap.DebugLevel)
		l := outage.New(zap.New(core), "lost", "back")
		for _, step := range script {
			switch step {
			case 'x':
				l.Note(errAway)
			case 'o':
				l.Note(nil)
			case ' ':
				<-time.After(time.Second)
			}
		}
		for _, e := range seen.All() {
			line := e.Message
			if e.Message == "back" && e.ContextMap()["failures"] == int64(0) {
				line = "back without a failure"
			}
			lines = append(lines, line)
		}
	})
	return lines
}

func TestAnOutageIsTwoLines(t *testing.T) {
	t.Parallel()
	for script, want := range map[string][]string{
		"":                                nil,
		"o o o":                           nil,
		"x":                               {"lost"},
		"xxxxxxxxxx x xxxxxxxxxxxxx":      {"lost"},
		"xx x xo":                         {"lost", "back"},
		"xx x xoooo o o":                  {"lost", "back"},
		"xo            xo":                {"lost", "back", "lost", "back"}, // another one, later
		"xoxoxoxo xoxoxo xoxoxo":          {"lost", "back"},                 // in turns
		"xox x x x x x x x x x x x x x o": {"lost", "back", "lost", "back"}, // and then continuously
	} {
		if diff := cmp.Diff(want, played(t, script)); diff != "" {
			t.Errorf("%q: %s", script, diff)
		}
	}
}

func TestWhatSomebodyElseTellsIsNoOutage(t *testing.T) {
	t.Parallel()
	errKnown := errors.New("the database is away")
	core, seen := observer.New(zap.InfoLevel)
	l := outage.New(zap.New(core), "lost", "back").Except(func(err error) bool { return errors.Is(err, errKnown) })
	for _, err := range []error{errKnown, nil, errKnown, errAway, errKnown, nil} {
		l.Note(err)
	}
	var lines []string
	for _, e := range seen.All() {
		lines = append(lines, e.Message)
	}
	if diff := cmp.Diff([]string{"lost", "back"}, lines); diff != "" || seen.All()[0].ContextMap()["error"] != errAway.Error() {
		t.Errorf("%v: %s", seen.All(), diff)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	var l *outage.Log
	l.Note(errAway)
	l.Note(nil)
}
