package preflight

import (
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Refused tells what the services don't do now because Telegram refused it, which
// may be otherwise by now.
func Refused(states []rosterpg.Refusal) []Finding {
	var findings []Finding
	for _, s := range states {
		switch s.What() {
		case rosterpg.BotStopped:
			findings = append(findings, warn("bot", s.Subject(), s.String(), "it starts by itself at a try that succeeds; at once: chorus resume bot "+s.Bot))
		case rosterpg.BotSuspended, rosterpg.BotResting, rosterpg.BotOnTrial:
			findings = append(findings, warn("member", s.Subject(), s.String(),
				"it acts again by itself after a try that succeeds; at once: chorus resume chat "+s.Chat))
		case rosterpg.ReactionsClosed:
			findings = append(findings, warn("chat", s.Subject(), s.String(),
				"it gets reactions again after a try that succeeds; at once: chorus resume chat "+s.Chat+
					"; if its administrators want none, all is well"))
		}
	}
	return findings
}

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
