package preflight

import "github.com/chorus-cast/chorus/services/internal/roster/refusal"

// Refused tells what the services don't do now because Telegram refused it, which
// may be otherwise by now.
func Refused(states []refusal.State) []Finding {
	var findings []Finding
	for _, s := range states {
		switch s.What() {
		case refusal.BotStopped:
			findings = append(findings, warn("bot", s.Subject(), s.String(), "it starts by itself at a try that succeeds; at once: chorus resume bot "+s.Bot))
		case refusal.BotSuspended, refusal.BotResting, refusal.BotOnTrial:
			findings = append(findings, warn("member", s.Subject(), s.String(),
				"it acts again by itself after a try that succeeds; at once: chorus resume chat "+s.Chat))
		case refusal.ReactionsClosed:
			findings = append(findings, warn("chat", s.Subject(), s.String(),
				"it gets reactions again after a try that succeeds; at once: chorus resume chat "+s.Chat+
					"; if its administrators want none, all is well"))
		}
	}
	return findings
}
