package audit_test

import (
	"context"
	"errors"
	"testing"
	"time"

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
			seen, err := log.Find(ctx, audit.Search{Text: "ANNA"}, 1)
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
	found, err := log.Find(t.Context(), audit.Search{Text: "club"}, 10)
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v %v", found, err)
	}
	if found[1].Result != audit.Done || string(found[1].After) != `{"paused": true}` || found[0].Result != refused.Error() {
		t.Errorf("%+v", found)
	}
	// The text is searched literally, in each of the three fields alone.
	for text, want := range map[string]int{"CHAT club": 2, "PAUSE-chat": 2, "annapause": 0, "pause%": 0, "pause_chat": 0} {
		if found, err := log.Find(t.Context(), audit.Search{Text: text}, 10); err != nil || len(found) != want {
			t.Errorf("%q: %+v %v, want %d", text, found, err, want)
		}
	}
	if older, err := log.Find(t.Context(), audit.Search{}.After(&found[0]), 10); err != nil || len(older) != 1 || older[0].ID != found[1].ID {
		t.Errorf("before the newest: %+v %v", older, err)
	}
}

// A search reads entries of its time only, page by page, also if many entries have the same time.
func TestEntriesAreFoundByTime(t *testing.T) {
	t.Parallel()
	log := audit.Log{Pool: journaltest.Open(t)}
	if _, err := log.Pool.Exec(t.Context(), `
INSERT INTO audit_log (at, actor, origin, via, operation) SELECT date_trunc('day', now()) - n / 4 * interval '1 day', 'anna', 'x', 'command', 'x' FROM generate_series(0, 79) n;
ANALYZE audit_log`); err != nil {
		t.Fatal(err)
	}
	day := time.Now().UTC().Truncate(24 * time.Hour)
	s := audit.Search{Since: day.AddDate(0, 0, -10), Until: day.AddDate(0, 0, -5)}
	seen := map[int64]bool{}
	for {
		page, err := log.Find(t.Context(), s, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if seen[e.ID] || e.At.Before(day.AddDate(0, 0, -10)) || !e.At.Before(day.AddDate(0, 0, -5)) {
				t.Errorf("entry %d of %v is found", e.ID, e.At)
			}
			seen[e.ID] = true
		}
		s = s.After(&page[len(page)-1])
	}
	if len(seen) != 20 {
		t.Errorf("%d are found, want 20", len(seen))
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
