// Package scenario reads the load lab's scenarios from YAML: a cast, services, phases with
// faults and actions, and targets for the measures.
package scenario

import (
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

// Scenario is a valid scenario, as its file and the flags have it.
type Scenario struct {
	// Name is the scenario's name in reports: small letters, digits and hyphens.
	Name string `yaml:"name"`
	// Summary is a sentence on what it shows.
	Summary string `yaml:"summary"`
	Cast    Cast   `yaml:"cast"`
	// Settings are values of settings by key, for everything.
	Settings map[string]any `yaml:"settings"`
	// Config are values of the configuration by path, such as
	// generator.max_typing, of an embedded deployment's processes.
	Config map[string]string `yaml:"config"`
	// Services is the initial number of replicas of each service in an embedded deployment.
	Services map[string]int `yaml:"services"`
	// Redis adds one to an embedded deployment.
	Redis bool `yaml:"redis"`
	// LLMLatency is the model's latency in an embedded deployment. With 0 the generator writes
	// texts without a model.
	LLMLatency time.Duration `yaml:"llm_latency"`
	// Baseline plays the scenario without faults and actions first, on the same
	// seed, for targets that compare with that.
	Baseline bool `yaml:"baseline"`
	// WarmUp comes before the phases and is not measured.
	WarmUp  time.Duration `yaml:"warm_up"`
	Phases  []Phase       `yaml:"phases"`
	Targets []Target      `yaml:"targets"`
}

// Cast is the number of bots and chats. Each chat gets the next few bots in turn, so every bot
// plays in several chats.
type Cast struct {
	Bots    int `yaml:"bots"`
	Chats   int `yaml:"chats"`
	PerChat int `yaml:"per_chat"`
	// Groups is the share of chats that are basic groups, the others are
	// supergroups.
	Groups float64 `yaml:"groups"`
	// MeanGap is the mean time between two turns of a chat.
	MeanGap time.Duration `yaml:"mean_gap"`
}

// Phase is a stretch of time. Phases of the same name are measured together.
type Phase struct {
	Name string `yaml:"name"`
	// For is the duration of the phase, or its limit if it has an Until.
	For   time.Duration `yaml:"for"`
	Until Until         `yaml:"until"`
	// Faults are the emulator's, in their short form.
	Faults []string `yaml:"faults"`
	// LLM are the model's, in their short form.
	LLM []string `yaml:"llm"`
	Do  []Action `yaml:"do"`

	// Rules and LLMFaults are Faults and LLM, understood.
	Rules     []fault.Rule   `yaml:"-"`
	LLMFaults []llmapi.Fault `yaml:"-"`
}

// Until ends a phase early.
type Until struct {
	// OpenAtLeast and OpenAtMost are numbers of turns that have not ended.
	OpenAtLeast *int `yaml:"open_at_least"`
	OpenAtMost  *int `yaml:"open_at_most"`
}

// Given reports whether there is a condition.
func (u Until) Given() bool { return u.OpenAtLeast != nil || u.OpenAtMost != nil }

// Met reports whether a number of open turns ends the phase.
func (u Until) Met(open int) bool {
	return u.OpenAtLeast != nil && open >= *u.OpenAtLeast || u.OpenAtMost != nil && open <= *u.OpenAtMost
}

// Verb is the kind of an action.
type Verb string

// The verbs.
const (
	// Kill ends a replica as a crash would, each time the next one.
	Kill Verb = "kill"
	// Stop ends all replicas in order.
	Stop Verb = "stop"
	// Pause freezes all replicas.
	Pause Verb = "pause"
	// Scale changes the number of replicas.
	Scale Verb = "scale"

	// Start and Resume undo them; a scenario says for how long instead.
	Start  Verb = "start"
	Resume Verb = "resume"
)

// Action is something that is done to a service.
type Action struct {
	// At is from the beginning of the phase.
	At time.Duration `yaml:"at"`
	// Every repeats it until the phase ends; 0 does it once.
	Every   time.Duration `yaml:"every"`
	Do      Verb          `yaml:"do"`
	Service string        `yaml:"service"`
	// For is how long the service stays away; 0 means until the end of the phase.
	For time.Duration `yaml:"for"`
	// To is the number of replicas after a scale.
	To int `yaml:"to"`
}

// Target is a bound of a measure.
type Target struct {
	Name string `yaml:"name"`
	// Measure is a name of Measures.
	Measure string `yaml:"measure"`
	// Phase is the measured phase; empty means the whole run after the warm-up.
	Phase string `yaml:"phase"`
	// Over divides it by the same measure of another phase, or of the same phase
	// in the run without faults where it is "baseline".
	Over string   `yaml:"over"`
	Min  *float64 `yaml:"min"`
	Max  *float64 `yaml:"max"`
}

// Baseline is the Over that means the run without faults.
const Baseline = "baseline"

// WithoutFaults is the scenario as its baseline is played.
func (s *Scenario) WithoutFaults() *Scenario {
	plain := *s
	plain.Phases = make([]Phase, len(s.Phases))
	for i, p := range s.Phases {
		plain.Phases[i] = Phase{Name: p.Name, For: p.For, Until: p.Until}
	}
	return &plain
}

// Length returns how long the scenario takes at most, without its baseline.
func (s *Scenario) Length() time.Duration {
	length := s.WarmUp
	for _, p := range s.Phases {
		length += p.For
	}
	return length
}

// Scaled is the scenario with a share of its bots, chats and backlogs, and of
// its times. Both are above 0; a cast keeps at least one chat and its bots.
func (s *Scenario) Scaled(size, pace float64) *Scenario {
	scaled := *s
	scaled.Cast.Chats = max(1, int(size*float64(s.Cast.Chats)))
	scaled.Cast.Bots = max(s.Cast.PerChat, int(size*float64(s.Cast.Bots)))
	stretch := func(d time.Duration) time.Duration { return time.Duration(pace * float64(d)) }
	scaled.WarmUp = stretch(s.WarmUp)
	scaled.Phases = make([]Phase, len(s.Phases))
	for i, p := range s.Phases {
		p.For = stretch(p.For)
		if p.Until.OpenAtLeast != nil {
			p.Until.OpenAtLeast = new(max(1, int(size*float64(*p.Until.OpenAtLeast))))
		}
		if p.Until.OpenAtMost != nil {
			p.Until.OpenAtMost = new(int(size * float64(*p.Until.OpenAtMost)))
		}
		actions := make([]Action, len(p.Do))
		for j, a := range p.Do {
			a.At = stretch(a.At)
			actions[j] = a
		}
		p.Do = actions
		scaled.Phases[i] = p
	}
	return &scaled
}

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
