// Package preflight looks, before anything is started, whether everything that
// Chorus needs is there and as it should be, and says what to do where it isn't.
// It changes nothing, and says nothing in any chat.
package preflight

// Status is how well something is.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works, but not as well as it could
	Failure Status = "failure" // does not work
)

// Finding is what was found out about one thing.
type Finding struct {
	Status Status `json:"status"`
	// Check is what was looked at: configuration, database, bus, redis, clock, llm,
	// bot, chat or member.
	Check string `json:"check"`
	// Subject is which of them, by its name in the cast file; for a member, the bot
	// and the chat. Empty where there is one only.
	Subject string `json:"subject,omitempty"`
	// Found is what is so.
	Found string `json:"found"`
	// Remedy is what to do about it; empty if nothing has to be done.
	Remedy string `json:"remedy,omitempty"`
}

// Report is all that was found, in the order in which it is best mended.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Add adds findings.
func (r *Report) Add(findings ...Finding) { r.Findings = append(r.Findings, findings...) }

// Count returns how many findings have a status.
func (r *Report) Count(s Status) int {
	n := 0
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// OK tells whether nothing failed. Warnings don't count.
func (r *Report) OK() bool { return r.Count(Failure) == 0 }

func well(check, subject, found string) Finding {
	return Finding{Status: OK, Check: check, Subject: subject, Found: found}
}

func warn(check, subject, found, remedy string) Finding {
	return Finding{Status: Warning, Check: check, Subject: subject, Found: found, Remedy: remedy}
}

func fail(check, subject, found, remedy string) Finding {
	return Finding{Status: Failure, Check: check, Subject: subject, Found: found, Remedy: remedy}
}
