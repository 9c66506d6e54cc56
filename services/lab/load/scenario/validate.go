package scenario

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
)

// The services that are started, scaled and killed by name, and the servers
// around them.
const (
	Planner   = "planner"
	Generator = "generator"
	Sender    = "sender"
	Listener  = "listener"

	Telegram = "telegram"
	Redis    = "redis"
)

// Services returns the services that can have replicas.
func Services() []string { return []string{Planner, Generator, Sender, Listener} }

// Bounds of what a scenario asks for, so that a slip of the pen ends no machine.
const (
	maxBots     = 10_000
	maxChats    = 100_000
	maxReplicas = 64
	longest     = 48 * time.Hour
)

type checker struct{ problems []error }

func (c *checker) checkf(ok bool, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, fmt.Errorf(format, args...))
	}
}

func (s *Scenario) validate() []error {
	var c checker
	named := regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	c.checkf(named.MatchString(s.Name), "name: %q, want small letters, digits and hyphens", s.Name)
	c.checkf(s.Summary != "", "summary: is empty, want a sentence on what it shows")
	s.Cast.validate(&c)
	for _, key := range slices.Sorted(maps.Keys(s.Settings)) {
		if _, _, err := s.Setting(key); err != nil {
			c.checkf(false, "settings: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Services)) {
		c.checkf(slices.Contains(Services(), name), "services.%s: want one of %s", name, strings.Join(Services(), ", "))
		n := s.Services[name]
		c.checkf(n >= 0 && n <= maxReplicas, "services.%s: %d, want 0 to %d", name, n, maxReplicas)
	}
	c.checkf(s.LLMLatency >= 0 && s.LLMLatency <= time.Minute, "llm_latency: %v, want 0s to 1m", s.LLMLatency)
	c.checkf(s.WarmUp >= 0, "warm_up: %v, want 0s or more", s.WarmUp)
	c.checkf(len(s.Phases) > 0, "phases: are none, want one or more")
	for i := range s.Phases {
		s.Phases[i].validate(&c, s, fmt.Sprintf("phases[%d]", i))
	}
	c.checkf(s.Length() <= longest, "phases: take %v together, want %v at most", s.Length(), longest)
	for i, t := range s.Targets {
		t.validate(&c, s, fmt.Sprintf("targets[%d]", i))
	}
	return c.problems
}

// Setting is the value of one of Settings, ready to be stored.
func (s *Scenario) Setting(key string) (*settings.Definition, []byte, error) {
	d, err := settings.Find(key)
	if err != nil {
		return nil, nil, err
	}
	text := fmt.Sprint(s.Settings[key])
	if list, ok := s.Settings[key].([]any); ok {
		words := make([]string, len(list))
		for i, word := range list {
			words[i] = fmt.Sprint(word)
		}
		text = strings.Join(words, ",")
	}
	value, err := d.ParseText(text)
	return d, value, err
}

func (a Cast) validate(c *checker) {
	c.checkf(a.Bots >= 1 && a.Bots <= maxBots, "cast.bots: %d, want 1 to %d", a.Bots, maxBots)
	c.checkf(a.Chats >= 1 && a.Chats <= maxChats, "cast.chats: %d, want 1 to %d", a.Chats, maxChats)
	c.checkf(a.PerChat >= 1 && a.PerChat <= a.Bots, "cast.per_chat: %d, want 1 to the %d of cast.bots", a.PerChat, a.Bots)
	c.checkf(a.Groups >= 0 && a.Groups <= 1, "cast.groups: %v, want 0 to 1", a.Groups)
	c.checkf(a.MeanGap >= time.Second, "cast.mean_gap: %v, want 1s or more", a.MeanGap)
}

func (p *Phase) validate(c *checker, s *Scenario, path string) {
	c.checkf(p.Name != "" && p.Name != Baseline, "%s.name: %q, want a name other than %s", path, p.Name, Baseline)
	c.checkf(p.For > 0, "%s.for: %v, want more than 0s", path, p.For)
	for i, short := range p.Faults {
		rule, err := fault.Parse(short)
		if err != nil {
			c.checkf(false, "%s.faults[%d]: %w", path, i, err)
		}
		p.Rules = append(p.Rules, rule)
	}
	for i, short := range p.LLM {
		f, err := ParseLLMFault(short)
		if err != nil {
			c.checkf(false, "%s.llm[%d]: %w", path, i, err)
		}
		p.LLMFaults = append(p.LLMFaults, f)
	}
	c.checkf(len(p.LLM) == 0 || s.LLMLatency > 0, "%s.llm: the texts are made without a model, want an llm_latency above 0s", path)
	for i, a := range p.Do {
		a.validate(c, s, fmt.Sprintf("%s.do[%d]", path, i))
	}
}

func (a Action) validate(c *checker, s *Scenario, path string) {
	c.checkf(a.At >= 0, "%s.at: %v, want 0s or more", path, a.At)
	c.checkf(a.Every == 0 || a.Every >= 100*time.Millisecond, "%s.every: %v, want 0s or 100ms or more", path, a.Every)
	c.checkf(a.For >= 0, "%s.for: %v, want 0s or more", path, a.For)
	verbs := []Verb{Kill, Stop, Pause, Scale}
	c.checkf(slices.Contains(verbs, a.Do), "%s.do: %q, want one of %q", path, a.Do, verbs)
	known := slices.Concat(Services(), []string{Telegram, Redis})
	c.checkf(slices.Contains(known, a.Service), "%s.service: %q, want one of %s", path, a.Service, strings.Join(known, ", "))
	c.checkf(a.Service != Redis || s.Redis, "%s.service: redis, want redis: true in the scenario", path)
	if a.Do == Scale {
		c.checkf(slices.Contains(Services(), a.Service), "%s.service: %s has no replicas, want one of %s", path, a.Service, strings.Join(Services(), ", "))
		c.checkf(a.To >= 0 && a.To <= maxReplicas, "%s.to: %d, want 0 to %d", path, a.To, maxReplicas)
		c.checkf(a.For == 0, "%s.for: %v, want none: a scale lasts until the next one", path, a.For)
		return
	}
	c.checkf(a.To == 0, "%s.to: %d, want none where nothing is scaled", path, a.To)
	c.checkf(a.Every == 0 || a.For > 0, "%s.for: is missing, want how long %s is away each time", path, a.Service)
}

func (t Target) validate(c *checker, s *Scenario, path string) {
	phase := func(name string) bool {
		return slices.ContainsFunc(s.Phases, func(p Phase) bool { return p.Name == name })
	}
	c.checkf(t.Name != "", "%s.name: is empty, want a name", path)
	measures := Measures()
	i := slices.IndexFunc(measures, func(m Measure) bool { return m.Name == t.Measure })
	if i < 0 {
		c.checkf(false, "%s.measure: %q, want one that chorus load measures lists", path, t.Measure)
		return
	}
	c.checkf(t.Phase == "" || phase(t.Phase), "%s.phase: %q, want the name of a phase", path, t.Phase)
	c.checkf(t.Phase == "" || !measures[i].Whole, "%s.phase: %q, want none: %s is of the whole run", path, t.Phase, t.Measure)
	c.checkf(t.Over == "" || t.Over == Baseline || phase(t.Over), "%s.over: %q, want the name of a phase, or %s", path, t.Over, Baseline)
	c.checkf(t.Over != Baseline || s.Baseline, "%s.over: %s, want baseline: true in the scenario", path, t.Over)
	c.checkf(t.Min != nil || t.Max != nil, "%s: has no bound, want min or max", path)
	for _, bound := range []*float64{t.Min, t.Max} {
		c.checkf(bound == nil || !math.IsNaN(*bound) && !math.IsInf(*bound, 0), "%s: has a bound that is no number", path)
	}
}
