package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const twoBots = `bots:
  - name: anna
    token: file:anna.token
    persona: {display_name: Anna, summary: Reads.}
  - name: bert
    token: file:bert.token
    persona: {display_name: Bert, summary: Writes.}
chats:
  - name: club
    telegram_id: -1001234567890
    cast: [anna, bert]
`

// keyFile writes keys into a file.
func keyFile(t *testing.T, dir, name string, keys ...secret.Key) string {
	t.Helper()
	var text strings.Builder
	for _, k := range keys {
		text.WriteString(k.Reveal() + "\n")
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// only returns the key of a file with one key.
func only(t *testing.T, path string) secret.Key {
	t.Helper()
	ring, err := secret.LoadOrCreateKeyFile(path)
	if err != nil || len(ring.Keys()) != 1 {
		t.Fatalf("the file has the keys %v: %v", ring.Keys(), err)
	}
	return ring.Keys()[0]
}

// A key is replaced as chorus secrets rotate --help says. No cast is applied, and every
// token can be opened without the old key.
func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"cast.yaml": twoBots, "anna.token": "11111:aaa", "bert.token": "22222:bbb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var keys [4]secret.Key
	for i := range keys {
		var err error
		if keys[i], err = secret.NewKey(); err != nil {
			t.Fatal(err)
		}
	}
	first, second, third, fourth := keys[0], keys[1], keys[2], keys[3]
	o := on{t, testenv.Postgres(t)}
	cast := filepath.Join(dir, "cast.yaml")
	apply := func(keys string, more ...string) string {
		return o.call(append([]string{"apply", "-f", cast, "--secret.file", keys}, more...)...)
	}
	rotate := func(keys string) string { return o.call("secrets", "rotate", "--yes", "--secret.file", keys) }
	asks := func(key secret.Key, args ...string) {
		t.Helper()
		got := chorus(append(args, "--database.url="+o.dsn)...)
		if got.Code != 2 || !strings.Contains(got.Err, "give --yes") || !strings.Contains(got.Out, "Key "+key.ID()+" seals them: all senders and listeners must have been restarted with it before") {
			t.Errorf("%v, without a terminal: %d %q %q", args, got.Code, got.Out, got.Err)
		}
	}
	contains := func(text, want string) {
		t.Helper()
		if !strings.Contains(text, want) {
			t.Errorf("it says %q, want %q", text, want)
		}
	}
	apply(keyFile(t, dir, "1", first))

	both := keyFile(t, dir, "2-1", second, first)
	contains(apply(both, "--dry-run"), "2 tokens are sealed anew")
	asks(second, "secrets", "rotate", "--secret.file", both)
	asks(second, "apply", "-f", cast, "--secret.file", both)
	if said := apply(keyFile(t, dir, "1 alone", first)); said != "nothing to change\n" {
		t.Errorf("sealed anew without a yes: %q", said)
	}
	said := rotate(both)
	contains(said, "Key "+second.ID()+" seals them")
	contains(said, "2 of 2 tokens were sealed anew")
	contains(said, "No token needs "+first.ID())
	contains(rotate(both), "All 2 tokens are sealed with key "+second.ID()+" already")
	if said := apply(keyFile(t, dir, "2", second)); said != "nothing to change\n" {
		t.Errorf("without the old key: %q", said)
	}

	// The same with the commands for the key file.
	file := keyFile(t, dir, "file", second)
	contains(chorus("secrets", "add-key", "--secret.file", file).Out, "seals from now on")
	contains(rotate(file), "2 of 2 tokens were sealed anew")
	contains(chorus("secrets", "drop-keys", "--secret.file", file).Out, "Only key ")
	if said := apply(file); said != "nothing to change\n" {
		t.Errorf("with the new key alone: %q", said)
	}
	contains(apply(keyFile(t, dir, "2-new", second, only(t, file)), "--yes"), "2 tokens are sealed anew")

	// Applying a cast also reseals.
	contains(apply(keyFile(t, dir, "3-2", third, second), "--yes"), "2 tokens are sealed anew")
	if said := apply(keyFile(t, dir, "3", third)); said != "nothing to change\n" {
		t.Errorf("after an apply with a new key: %q", said)
	}

	// A missing key is named, and the others must be kept.
	got := chorus("secrets", "rotate", "--yes", "--secret.file", keyFile(t, dir, "4-1", fourth, first), "--database.url="+o.dsn)
	if got.Code != 1 || strings.Contains(got.Out, "No token needs") || !strings.Contains(got.Err, third.ID()) || !strings.Contains(got.Err, "anna") {
		t.Errorf("with a wrong key: %d %q %q", got.Code, got.Out, got.Err)
	}
	if said := apply(keyFile(t, dir, "3 again", third)); said != "nothing to change\n" {
		t.Errorf("after a rotation that could open nothing: %q", said)
	}
}
