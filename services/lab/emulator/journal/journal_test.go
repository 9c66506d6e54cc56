package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/lab/emulator/journal"
)

func lines(t interface {
	Fatalf(format string, args ...any)
}, path string,
) ([]string, *journal.Journal) {
	var got []string

	j, err := journal.Open(path, func(line []byte) error {
		got = append(got, string(line))

		return nil
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}

	return got, j
}

func TestWhateverWasAppendedIsReadAgainAtAnyCut(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, "log")
		if err := os.RemoveAll(path); err != nil {
			rt.Fatal(err)
		}

		want := rapid.SliceOf(rapid.StringMatching(`[a-z{}":]{0,20}`)).Draw(rt, "lines")
		_, j := lines(rt, path)

		var ends []int64

		for _, line := range want {
			if err := j.Append([]byte(line)); err != nil {
				rt.Fatal(err)
			}

			ends = append(ends, j.Size())
		}

		if err := j.Close(); err != nil {
			rt.Fatal(err)
		}

		cut := rapid.Int64Range(0, j.Size()).Draw(rt, "cut")
		if err := os.Truncate(path, cut); err != nil {
			rt.Fatal(err)
		}

		var whole []string

		for i, end := range ends {
			if end <= cut {
				whole = append(whole, want[i])
			}
		}

		got, j := lines(rt, path)
		if diff := cmp.Diff(whole, got); diff != "" {
			rt.Fatalf("after a cut at %d:\n%s", cut, diff)
		}

		if err := j.Append([]byte("next")); err != nil {
			rt.Fatal(err)
		}

		if err := j.Close(); err != nil {
			rt.Fatal(err)
		}

		got, j = lines(rt, path)
		if diff := cmp.Diff(append(whole, "next"), got); diff != "" {
			rt.Fatalf("after the next append:\n%s", diff)
		}

		if err := j.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestALineBreakIsRefused(t *testing.T) {
	t.Parallel()

	_, j := lines(t, filepath.Join(t.TempDir(), "log"))
	defer j.Close()

	if err := j.Append([]byte("a\nb")); !errors.Is(err, journal.ErrLine) {
		t.Fatalf("got %v, want ErrLine", err)
	}
}

func TestABadLineNamesFileAndNumber(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err := journal.Open(path, func(line []byte) error {
		if string(line) == "two" {
			return errors.New("no number")
		}

		return nil
	})

	if want := path + " line 2: no number"; err == nil || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func TestAFolderHasOneOwner(t *testing.T) {
	t.Parallel()

	dir := filepath.Join(t.TempDir(), "new")

	first, err := journal.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := journal.Lock(dir); !errors.Is(err, journal.ErrInUse) {
		t.Fatalf("second lock: got %v, want ErrInUse", err)
	}

	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := journal.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}

	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReplaceKeepsTheOldContentOrTheNew(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "snapshot.json")

	for _, content := range []string{"first, and longer", "second"} {
		if err := journal.Replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}

		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Fatalf("got %q, %v, want %q", got, err, content)
		}
	}

	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Fatalf("left behind: %v %v", left, err)
	}
}
