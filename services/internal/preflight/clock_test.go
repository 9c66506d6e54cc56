package preflight

import (
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/clock"
)

func TestClocksThatDifferAreTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, server := range []string{clock.Telegram, clock.PostgreSQL, clock.NATS} {
		for by, want := range map[time.Duration]string{
			0: "", 10 * time.Second: "", -10 * time.Second: "",
			11 * time.Second: "11s ahead of", -11 * time.Second: "11s behind", 3 * time.Minute: "3m0s ahead of", -time.Hour: "1h0m0s behind",
		} {
			f := clocks(server, now.Add(by), now)
			if told := f.Status == Warning; told != (want != "") || !strings.Contains(f.Found, want) || f.Subject != server || told != strings.Contains(f.Remedy, "NTP") {
				t.Errorf("%s, %v: %+v", server, by, f)
			}
		}
	}
}
