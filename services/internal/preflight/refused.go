package preflight

import "github.com/chorus-cast/chorus/services/internal/roster/rosterpg"

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
