package preflight

import (
	"context"
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/clock"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// clocks compares this machine's time with a server's.
func clocks(server string, ours, theirs time.Time) Finding {
	const check = "clock"
	ahead := ours.Sub(theirs)
	if ahead.Abs() <= clock.Tolerance {
		return well(check, server, "agrees with this machine's")
	}
	how := "ahead of"
	if ahead < 0 {
		how = "behind"
	}
	remedy := "compare both machines with an NTP server, and run NTP (chrony, systemd-timesyncd) on the one that is wrong"
	if server == clock.Telegram {
		remedy = "run NTP (chrony, systemd-timesyncd) on this machine"
	}
	return warn(check, server, fmt.Sprintf("this machine's clock is %v %s that of %s", ahead.Abs().Round(time.Second), how, server), remedy)
}

// telegramClock asks one of the bots what time it is at Telegram.
func telegramClock(ctx context.Context, api Asker, bots map[string]roster.Bot) []Finding {
	for _, b := range bots {
		ctx, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		if _, out := api.GetMe(ctx, b.Secret); !out.At.IsZero() {
			return []Finding{clocks(clock.Telegram, time.Now(), out.At)}
		}
		break
	}
	return nil
}
