package audit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestActsAreWrittenDown(t *testing.T) {
	t.Parallel()
	log := audit.Log{Pool: journaltest.Open(t)}
	refused := errors.New("it is not there")
	for _, fails := range []error{nil, refused} {
		err := log.Do(t.Context(), &audit.Entry{Actor: "anna", Origin: "127.0.0.1", Via: "console", Operation: "pause-chat"}, func(ctx context.Context) error {
			seen, err := log.Find(ctx, 0, "anna", 1)
			if err != nil || len(seen) != 1 || seen[0].Result != "" {
				t.Errorf("while it is done: %+v %v, want an entry without a result", seen, err)
			}
			audit.Note(ctx, "chat club", map[string]bool{"paused": false}, map[string]bool{"paused": true})
			return fails
		})
		if !errors.Is(err, fails) {
			t.Errorf("%v, want %v", err, fails)
		}
	}
	found, err := log.Find(t.Context(), 0, "club", 10)
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v %v", found, err)
	}
	if found[1].Result != audit.Done || string(found[1].After) != `{"paused": true}` || found[0].Result != refused.Error() {
		t.Errorf("%+v", found)
	}
	// What is looked for stands as it is, in one of the three.
	for text, want := range map[string]int{"CHAT club": 2, "PAUSE-chat": 2, "annapause": 0, "pause%": 0, "pause_chat": 0} {
		if found, err := log.Find(t.Context(), 0, text, 10); err != nil || len(found) != want {
			t.Errorf("%q: %+v %v, want %d", text, found, err, want)
		}
	}
	if older, err := log.Find(t.Context(), found[0].ID, "", 10); err != nil || len(older) != 1 || older[0].ID != found[1].ID {
		t.Errorf("before the newest: %+v %v", older, err)
	}
}

func TestNothingIsDoneUnseen(t *testing.T) {
	t.Parallel()
	log := audit.Log{Pool: journaltest.Open(t)}
	err := log.Do(t.Context(), &audit.Entry{Actor: "anna", Via: "by magic"}, func(context.Context) error {
		t.Error("it was done")
		return nil
	})
	if err == nil {
		t.Error("no error")
	}
}

func TestEntriesNeverChange(t *testing.T) {
	t.Parallel()
	log := audit.Log{Pool: journaltest.Open(t)}
	if err := log.Do(t.Context(), &audit.Entry{Actor: "anna", Via: "command", Operation: "x"}, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`UPDATE audit_log SET actor = 'ben'`, `UPDATE audit_log SET result = 'nothing'`, `DELETE FROM audit_log`, `TRUNCATE audit_log`,
	} {
		if _, err := log.Pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: no error", sql)
		}
	}
}
