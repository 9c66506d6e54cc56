package calllog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tb has the methods that tests and properties share.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func open(t tb, dir string, keep int) *calllog.Log {
	t.Helper()

	l, err := calllog.Open(dir, keep)
	if err != nil {
		t.Fatal(err)
	}

	return l
}

func fill(t tb, l *calllog.Log, from, to int) {
	t.Helper()

	for i := from; i <= to; i++ {
		if err := l.Append(calllog.Record{ID: fmt.Sprint("call-", i), Method: "sendMessage"}); err != nil {
			t.Fatal(err)
		}
	}
}

func seqs(t tb, l *calllog.Log, f calllog.Filter) []uint64 {
	t.Helper()

	records, err := l.Records(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}

	var all []uint64
	for _, r := range records {
		all = append(all, r.Seq)
	}

	return all
}

func span(from, to int) []uint64 {
	var all []uint64
	for i := from; i <= to; i++ {
		all = append(all, uint64(i))
	}

	return all
}

func TestTheFilterChooses(t *testing.T) {
	t.Parallel()

	l := open(t, t.TempDir(), 0)
	t.Cleanup(func() { _ = l.Close() })

	for _, r := range []calllog.Record{
		{Bot: "ada_bot", Method: "sendMessage", Chat: -1},
		{Bot: "bob_bot", Method: "sendMessage", Chat: -1},
		{Bot: "ada_bot", Method: "setMessageReaction", Chat: -2},
		{Method: "getMe", Status: 401},
	} {
		if err := l.Append(r); err != nil {
			t.Fatal(err)
		}
	}

	tests := []struct {
		filter calllog.Filter
		want   []uint64
	}{
		{calllog.Filter{}, []uint64{1, 2, 3, 4}},
		{calllog.Filter{Since: 2}, []uint64{3, 4}},
		{calllog.Filter{Since: 4}, nil},
		{calllog.Filter{Since: 99}, nil},
		{calllog.Filter{Bot: "@Ada_Bot"}, []uint64{1, 3}},
		{calllog.Filter{Bot: "ada"}, nil},
		{calllog.Filter{Method: "SENDMESSAGE"}, []uint64{1, 2}},
		{calllog.Filter{Chat: -1, Bot: "bob_bot"}, []uint64{2}},
		{calllog.Filter{Chat: -2, Since: 3}, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, seqs(t, l, tt.filter)); diff != "" {
			t.Errorf("%+v: %s", tt.filter, diff)
		}
	}
}

// More records than lie between two known places of the file, so that reading
// begins at each kind of place.
func TestReadingBeginsAnywhere(t *testing.T) {
	t.Parallel()

	const all = 2500

	dir := t.TempDir()
	l := open(t, dir, 0)

	fill(t, l, 1, 2000)

	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	l = open(t, dir, 0)
	t.Cleanup(func() { _ = l.Close() })
	fill(t, l, 2001, all)

	for _, since := range []int{0, 1, 1023, 1024, 1025, 2000, 2047, 2048, 2499, 2500} {
		if diff := cmp.Diff(span(since+1, all), seqs(t, l, calllog.Filter{Since: uint64(since)})); diff != "" {
			t.Errorf("since %d: %s", since, diff)
		}
	}
}

func TestWhatWasAppendedSurvivesACutInTheNextLine(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, "calls.jsonl")
		if err := os.RemoveAll(path); err != nil {
			rt.Fatal(err)
		}

		n := rapid.IntRange(1, 20).Draw(rt, "records")

		l := open(rt, dir, 0)
		fill(rt, l, 1, n)

		if err := l.Close(); err != nil {
			rt.Fatal(err)
		}

		content, err := os.ReadFile(path)
		if err != nil {
			rt.Fatal(err)
		}

		cut := rapid.IntRange(0, len(content)).Draw(rt, "cut")
		if err := os.Truncate(path, int64(cut)); err != nil {
			rt.Fatal(err)
		}

		whole := strings.Count(string(content[:cut]), "\n")

		l = open(rt, dir, 0)
		if diff := cmp.Diff(span(1, whole), seqs(rt, l, calllog.Filter{})); diff != "" {
			rt.Fatalf("after a cut at %d of %d: %s", cut, len(content), diff)
		}

		if whole > 0 && !l.Knew(fmt.Sprint("call-", whole)) || l.Knew(fmt.Sprint("call-", whole+1)) {
			rt.Fatalf("after a cut at %d: the ids known are not those of the %d records", cut, whole)
		}

		fill(rt, l, whole+1, whole+1)

		if diff := cmp.Diff(span(1, whole+1), seqs(rt, l, calllog.Filter{})); diff != "" {
			rt.Fatalf("after the next record: %s", diff)
		}

		if err := l.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestALogInMemoryKeepsTheLastRecords(t *testing.T) {
	t.Parallel()

	const keep, all = 700, 3000

	l := open(t, "", keep)
	fill(t, l, 1, all)

	got := seqs(t, l, calllog.Filter{})
	if len(got) < keep || len(got) > 2*keep || !slices.Equal(got, span(all-len(got)+1, all)) {
		t.Errorf("got %d records up to %d, want at least the last %d", len(got), got[len(got)-1], keep)
	}

	if diff := cmp.Diff(span(all-4, all), seqs(t, l, calllog.Filter{Since: all - 5})); diff != "" {
		t.Error(diff)
	}
}

func TestAFollowerGetsWhatComes(t *testing.T) {
	t.Parallel()

	for name, dir := range map[string]string{"file": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			l := open(t, dir, 100)
			t.Cleanup(func() { _ = l.Close() })
			fill(t, l, 1, 3)

			ctx, cancel := context.WithCancel(t.Context())
			caughtUp, got, done := make(chan struct{}, 10), []uint64{}, make(chan error)

			go func() {
				done <- l.Read(ctx, calllog.Filter{Since: 1, Follow: true}, func(line []byte) error {
					var r calllog.Record
					err := json.Unmarshal(line, &r)
					got = append(got, r.Seq)

					return err
				}, func() error {
					caughtUp <- struct{}{}

					return nil
				})
			}()

			<-caughtUp
			fill(t, l, 4, 4)
			<-caughtUp
			cancel()

			if err := <-done; err != nil {
				t.Errorf("a follower that leaves got %v", err)
			}

			if diff := cmp.Diff(span(2, 4), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAResetEndsReaders(t *testing.T) {
	t.Parallel()

	for name, dir := range map[string]string{"file": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			l := open(t, dir, 3000)
			t.Cleanup(func() { _ = l.Close() })
			fill(t, l, 1, 2500)

			err := l.Read(t.Context(), calllog.Filter{Follow: true}, func([]byte) error {
				if l.Last() == 2500 {
					return l.Reset()
				}

				return nil
			}, nil)
			if !errors.Is(err, calllog.ErrReset) {
				t.Errorf("got %v, want ErrReset", err)
			}

			fill(t, l, 1, 2)

			if diff := cmp.Diff(span(1, 2), seqs(t, l, calllog.Filter{})); diff != "" {
				t.Errorf("after the reset: %s", diff)
			}
		})
	}
}

func TestAnErrorOfTheReaderEndsIt(t *testing.T) {
	t.Parallel()

	l := open(t, "", 10)
	fill(t, l, 1, 3)

	full := errors.New("full")
	if err := l.Read(t.Context(), calllog.Filter{}, func([]byte) error { return full }, nil); !errors.Is(err, full) {
		t.Errorf("got %v, want the reader's error", err)
	}

	if err := l.Read(t.Context(), calllog.Filter{Follow: true}, func([]byte) error { return nil }, func() error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want the idle reader's error", err)
	}
}

func TestALineThatIsNoRecordIsNamed(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "calls.jsonl"), []byte("{\"seq\":1}\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := calllog.Open(dir, 1); err == nil || !strings.Contains(err.Error(), "calls.jsonl line 2") {
		t.Errorf("got %v, want the file and the line", err)
	}
}
