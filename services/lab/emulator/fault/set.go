package fault

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Call holds the properties of a call that rules match.
type Call struct {
	Method string
	Bot    string // username
	Chat   int64
}

// Effect is the effect of the rules on a call. The zero Effect changes nothing.
type Effect struct {
	// Delay comes before everything else.
	Delay time.Duration
	// Rule is the fault after the delay; its Kind is empty where there is none.
	Rule Rule
	// IDs are the rules that met the call, for the log.
	IDs string
}

// Set is the rules in force. It is safe for concurrent use; the zero Set is
// not: use NewSet.
type Set struct {
	now func() time.Time

	mu    sync.Mutex
	rules []*active
	made  int
}

type active struct {
	Rule

	random *rand.Rand
	fired  int
}

// NewSet makes an empty set on a clock.
func NewSet(now func() time.Time) *Set { return &Set{now: now} }

// Rules returns the rules in force, in order.
func (s *Set) Rules() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	rules := make([]Rule, 0, len(s.rules))
	for _, a := range s.rules {
		rules = append(rules, a.Rule)
	}
	return rules
}

// Replace puts these rules in place of all. Rules without an id get one. On an
// error nothing changes.
func (s *Set) Replace(rules []Rule) ([]Rule, error) {
	return s.change(rules, func(next []*active) []*active { return next })
}

// Add appends rules; one with the id of an existing rule takes its place.
func (s *Set) Add(rules ...Rule) ([]Rule, error) {
	return s.change(rules, func(next []*active) []*active {
		all := slices.Clone(s.rules)
		for _, n := range next {
			if i := slices.IndexFunc(all, func(a *active) bool { return a.ID == n.ID }); i >= 0 {
				all[i] = n
			} else {
				all = append(all, n)
			}
		}
		return all
	})
}

func (s *Set) change(rules []Rule, merge func([]*active) []*active) ([]Rule, error) {
	for i, r := range rules {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make([]*active, 0, len(rules))
	named := make([]Rule, 0, len(rules))
	for _, r := range rules {
		if r.ID == "" {
			s.made++
			r.ID = "fault-" + strconv.Itoa(s.made)
		}
		next = append(next, &active{Rule: r, random: rand.New(rand.NewPCG(r.Seed, hash(r.ID)))})
		named = append(named, r)
	}
	s.rules = merge(next)
	return named, nil
}

// Remove removes the rule with an id, or all rules for "". It reports whether there was one.
func (s *Set) Remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.rules)
	s.rules = slices.DeleteFunc(s.rules, func(a *active) bool { return id == "" || a.ID == id })
	return len(s.rules) < before
}

// Meet decides what happens to a call. Each rule draws once for each call that
// it is about, so the n-th such call meets the same fault for the same seed.
func (s *Set) Meet(c Call) Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	var (
		e   Effect
		ids []string
	)
	for _, a := range s.rules {
		if !a.concerns(c) || !a.strikes(s.now()) {
			continue
		}
		if a.Kind != Latency && e.Rule.Kind != "" {
			continue // another rule has decided
		}
		a.fired++
		ids = append(ids, a.ID)
		if a.Kind == Latency {
			e.Delay += time.Duration(a.Duration)
		} else {
			e.Rule = a.Rule
		}
	}
	e.IDs = strings.Join(ids, ",")
	return e
}

func (a *active) concerns(c Call) bool {
	return (a.Method == "" || a.Method == "*" || strings.EqualFold(a.Method, c.Method)) &&
		(a.Bot == "" || strings.EqualFold(strings.TrimPrefix(a.Bot, "@"), c.Bot)) &&
		(a.Chat == 0 || a.Chat == c.Chat) &&
		(a.Kind != Kicked || c.Chat != 0) // one is kicked from a chat
}

func (a *active) strikes(now time.Time) bool {
	if !a.Until.IsZero() && !now.Before(a.Until) {
		return false
	}
	if a.Count > 0 && a.fired >= a.Count {
		return false
	}
	return a.Rate == 0 || a.random.Float64() < a.Rate
}

func hash(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return h.Sum64()
}
