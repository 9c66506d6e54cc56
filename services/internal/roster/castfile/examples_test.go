package castfile_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
)

const examples = "../../../../deploy/examples"

func TestExamples(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(examples, "*.yaml"))
	paths = slices.DeleteFunc(paths, func(p string) bool { return filepath.Base(p) == "kustomization.yaml" })
	if err != nil || len(paths) < 3 {
		t.Fatalf("found %d examples, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			file, err := castfile.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(file.Cast.Bots); n < 3 || n > 5 {
				t.Errorf("%d personas, want 3 to 5", n)
			}
			for _, b := range file.Cast.Bots {
				if b.Username == "" || b.Token.Env == "" {
					t.Errorf("%s has no username or no token from the environment", b.Name)
				}
			}
			for _, c := range file.Cast.Chats {
				if c.TelegramID != 0 {
					t.Errorf("%s has somebody's telegram_id", c.Name)
				}
				if !strings.Contains(c.Purpose, "bot") {
					t.Errorf("the purpose of %s does not disclose that the cast is bots", c.Name)
				}
				if strings.Contains(path, "market") && (!c.ForbidAdvice || c.Disclaimer != "(simulation, not advice)") {
					t.Errorf("%s talks of markets without a disclaimer", c.Name)
				}
			}
			again, err := castfile.Parse("written", castfile.Format(file.Cast))
			if err != nil {
				t.Fatal(err)
			}
			if plan := roster.Diff(file.Cast, again.Cast, true); !plan.Empty() {
				t.Errorf("written and read back it differs:\n%s", plan)
			}
		})
	}
}

// A newcomer sees the book club talk soon, at any time of day and for any length of time.
func TestTheBookClubIsAwake(t *testing.T) {
	t.Parallel()
	file, err := castfile.Load(filepath.Join(examples, "book-club.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	chat := file.Cast.Chats[0]
	if chat.Kind != roster.Supergroup || chat.MeanGap.Seconds() > 15 {
		t.Errorf("a %s with a turn each %v", chat.Kind, chat.MeanGap)
	}
	hourly := 0
	for _, b := range file.Cast.Bots {
		hourly += b.HourlyMax
		if len(b.ActiveHours) > 0 {
			t.Errorf("%s sleeps", b.Name)
		}
	}
	if turns := int(3600 / chat.MeanGap.Seconds()); hourly < turns {
		t.Errorf("%d messages an hour are allowed for %d turns", hourly, turns)
	}
}
