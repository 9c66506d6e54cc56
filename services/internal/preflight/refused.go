package preflight

import "github.com/chorus-cast/chorus/services/internal/roster/refusal"

// Refused tells what the services don't do now because Telegram refused it, which
// may be otherwise by now.
func Refused(states []refusal.State) []Finding {
	var findings []Finding
	for _, s := range states {
		switch s.What() {
		case refusal.BotStopped:
			findings = append(findings, warn("bot", s.Bot, s.String(), "it starts by itself at a try that succeeds; at once: chorus resume bot "+s.Bot))
		case refusal.BotSuspended, refusal.BotResting:
			findings = append(findings, warn("member", s.Bot+" in "+s.Chat, s.String(),
				"it acts again by itself after a try that succeeds; at once: chorus resume chat "+s.Chat))
		}
	}
	return findings
}
