package preflight

import (
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Tokens tells which bots' tokens can't be opened, and whether a rotation of the
// keys is half done.
func Tokens(states []rosterpg.TokenState) []Finding {
	const check = "token"
	var findings []Finding
	plays := 0
	for _, s := range states {
		if !s.Plays {
			continue
		}
		plays++
		if s.Err != nil {
			findings = append(findings, fail(check, s.Bot, s.Err.Error(), "give the key that sealed it, or apply the bot with its token"))
		}
	}
	if stale := rosterpg.StaleCount(states); stale > 0 {
		findings = append(findings, warn(check, "keys", fmt.Sprintf("%d tokens are sealed with an older key", stale), "once all senders and listeners have been restarted with the new key, run chorus secrets rotate"))
	}
	if len(findings) == 0 && plays > 0 {
		findings = append(findings, well(check, "", fmt.Sprintf("%d can be opened with the keys given to this command", plays)))
	}
	return findings
}
