package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// troupe describes a cast for tests: each chat has the next few bots, so that every bot
// plays in several chats.
type troupe struct {
	bots, supergroups, groups int
	perChat                   int
	gap                       time.Duration
}

// file writes the cast to a file.
func (c troupe) file(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("bots:\n")
	for i := range c.bots {
		fmt.Fprintf(&b, `  - name: %s
    token: env:NOT_NEEDED_IN_THE_EMULATOR
    username: %[1]s_of_tests_bot
    typing_wpm: 400
    hourly_max: 1200
    persona:
      display_name: Persona %[2]d
      summary: Someone who is here to be tested.
`, nameOf("bot", i), i)
	}
	b.WriteString("chats:\n")
	for i := range c.supergroups + c.groups {
		kind := "supergroup"
		if i >= c.supergroups {
			kind = "group"
		}
		fmt.Fprintf(&b, "  - name: %s\n    title: Chat %d\n    kind: %s\n    mean_gap: %s\n    topics: [characters, endings, pacing]\n    cast:\n",
			nameOf("chat", i), i, kind, c.gap)
		for k := range c.perChat {
			fmt.Fprintf(&b, "      - %s\n", nameOf("bot", (i*c.perChat+k)%c.bots))
		}
	}
	path := filepath.Join(t.TempDir(), "cast.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func nameOf(kind string, i int) string { return fmt.Sprintf("%s%02d", kind, i) }
