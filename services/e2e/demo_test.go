package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// The demo's up.yaml is sufficient for other commands: to inspect it, to change its cast,
// and to apply a cast with its own ids and with bots without usernames.
func TestTheDemosFileIsEnoughForEveryCommand(t *testing.T) {
	t.Parallel()
	const id = -1001234567890
	dir := t.TempDir()
	cast := filepath.Join(dir, "cast.yaml")
	text := fmt.Sprintf(`bots:
  - name: 9-lives
    token: env:NOT_SET
    persona: {display_name: Nine, summary: Reads.}
  - name: a-name-that-is-too-long-for-a-username-of-telegram
    token: env:NOT_SET_EITHER
    persona: {display_name: Long, summary: Writes.}
chats:
  - {name: club, telegram_id: %d, mean_gap: 1s, cast: [9-lives, a-name-that-is-too-long-for-a-username-of-telegram]}
`, id)
	if err := os.WriteFile(cast, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	c := up(t, state, "--cast", absolute(t, bookClub), "--planner.pace", "1s", "--generator.max-tokens", "4000")
	d := &deployment{t: t, environment: []string{"CHORUS_CONFIG=" + filepath.Join(state, "up.yaml")}}
	const applied = `
SELECT string_agg(concat_ws(' ', operation, via, (actor <> '')::text, input->'flags'->>'cast', object, after @> '[{"op": "added"}]', result), ', ') FROM audit_log WHERE operation = 'up'`
	if got, want := one[string](t, database(t, state), applied), "up command true "+absolute(t, bookClub)+" cast (5 changes) t done"; got != want {
		t.Errorf("of the cast at the start the audit log has %q, want %q", got, want)
	}

	if out := d.run("apply", "-f", absolute(t, bookClub)); out != "nothing to change\n" {
		t.Errorf("the cast that plays, applied again: %s", out)
	}
	d.run("apply", "-f", cast, "--dry-run")
	if _, err := c.emulator().Chat(t.Context(), id); err == nil {
		t.Error("a dry run made a chat in the emulator")
	}
	d.run("apply", "-f", cast)
	if out := d.run("apply", "-f", cast); out != "nothing to change\n" {
		t.Errorf("applied again: %s", out)
	}
	eventually(t, "the new cast speaks in the chat that it names", func() bool {
		return len(matching(sent(callsOf(t, c.emulator(), control.Filter{})), func(r control.Call) bool { return r.Chat == id })) > 0
	})
	if out := d.run("config"); !strings.Contains(out, "max_tokens: 4000") {
		t.Errorf("the file leaves out what the generator was told:\n%s", out)
	}
	if out := d.run("explain", "club"); !strings.Contains(out, "planner.pace") {
		t.Errorf("the chat is explained without the pace of the demo:\n%s", out)
	}
	for _, args := range [][]string{
		{"check"},
		{"export"},
		{"settings", "list"},
		{"settings", "set", "scale_factor", "2"},
		{"resume", "chat", "club"},
		{"memory", "list"},
		{"usage"},
		{"dead", "list"},
		{"cache", "stats"},
		{"cache", "invalidate", "--all"},
		{"migrate", "status"},
		{"health", "--ready"},
	} {
		if out, err := d.try(args...); err != nil {
			t.Errorf("chorus %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// absolute returns an absolute path, for processes with other working folders.
func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
