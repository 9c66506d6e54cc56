package scenario

// Measure is something that a target may bound.
type Measure struct {
	Name, Unit, Doc string
	// Whole is only known of a whole run, not of a phase.
	Whole bool
}

// Measures are all measures, in the order in which they are listed.
func Measures() []Measure {
	list := []Measure{
		{Name: "turns_per_minute", Unit: "/min", Doc: "turns planned"},
		{Name: "messages_per_minute", Unit: "/min", Doc: "messages and replies that fell due in the phase and were delivered"},
		{Name: "reactions_per_minute", Unit: "/min", Doc: "reactions that fell due in the phase and were delivered or fell back"},
		{Name: "delivered_share", Unit: "", Doc: "share of the messages that fell due in the phase and were to have a text, that were delivered"},
		{Name: "expired_per_minute", Unit: "/min", Doc: "turns that fell due in the phase and expired"},
		{Name: "unknown", Unit: "turns", Doc: "turns that fell due in the phase with an unknown outcome"},
		{Name: "calls_per_minute", Unit: "/min", Doc: "calls to Telegram"},
		{Name: "errors_per_minute", Unit: "/min", Doc: "calls to Telegram that failed"},
		{Name: "first_message_seconds", Unit: "s", Doc: "from the beginning of the phase to the first message that Telegram took, or to its end"},
		{Name: "peak_per_minute", Unit: "/min", Doc: "messages that Telegram took, in the busiest 10 s"},
		{Name: "drain_per_second", Unit: "/s", Doc: "messages that Telegram took, from the phase's first to its last"},
	}
	for _, stage := range []struct{ name, doc string }{
		{"planning", "from the time a turn was due to its planning"},
		{"generating", "from a message's planning to its text"},
		{"sending", "from a text to the news that Telegram has it"},
		{"end_to_end", "from the time a message was due to its delivery"},
	} {
		for _, rank := range []string{"p50", "p90", "p99", "max"} {
			list = append(list, Measure{Name: stage.name + "_" + rank + "_ms", Unit: "ms", Doc: stage.doc + ", " + rank})
		}
	}
	for _, m := range []Measure{
		{Name: "lost", Unit: "turns", Doc: "turns that are said to be sent and that Telegram never got, or that are missing"},
		{Name: "duplicates", Unit: "messages", Doc: "messages that were sent once too often"},
		{Name: "order_violations", Unit: "messages", Doc: "messages that came after a later turn's in their chat"},
		{Name: "unaccounted", Unit: "turns", Doc: "messages of unknown outcome that are more than the turns of such an outcome"},
		{Name: "open", Unit: "turns", Doc: "turns that had not ended when the run was over"},
		{Name: "dead", Unit: "turns", Doc: "turns that ended as dead letters"},
		{Name: "late", Unit: "messages", Doc: "messages that were sent after their time was over"},
		{Name: "retry_after_violations", Unit: "calls", Doc: "calls that were made before Telegram's retry_after was over"},
		{Name: "crashes", Unit: "", Doc: "processes that ended by themselves"},
		{Name: "kills", Unit: "", Doc: "processes that the lab killed"},
		{Name: "memory_slope_pct_per_min", Unit: "%/min", Doc: "how fast the memory of the service that grew most grew"},
		{Name: "goroutines_slope_pct_per_min", Unit: "%/min", Doc: "the same of goroutines"},
		{Name: "memory_max_mb", Unit: "MB", Doc: "most memory of a replica"},
		{Name: "turns", Unit: "turns", Doc: "turns planned"},
	} {
		m.Whole = true
		list = append(list, m)
	}
	return list
}
