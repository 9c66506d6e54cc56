package bus

import (
	"maps"
	"slices"
)

// lastBeat is the count of its own heartbeats, heard since another member's
// last, at which a member takes the other for dead. A third of the members' TTL
// lies between two beats, so that is the TTL at most.
const lastBeat = 3

// membership is who takes part in a group, as one of its members hears it.
//
// It counts in heartbeats, not in seconds: a member that does not hear itself
// hears nobody, and nobody dies of that. So neither an outage of the bus nor a
// process that was stopped for a while makes the others look dead.
type membership struct {
	self   string
	others map[string]int // own beats heard since each one's last
	heard  bool           // the own beat, since the last call of beat
}

func newMembership(self string, others ...string) *membership {
	m := &membership{self: self, others: make(map[string]int)}
	for _, id := range others {
		m.hear(id)
	}
	return m
}

// hear notes a heartbeat. Like lose and beat it tells whether the members have
// changed.
func (m *membership) hear(id string) bool {
	if id == m.self {
		m.heard = true
		return false
	}
	_, known := m.others[id]
	m.others[id] = 0
	return !known
}

// lose notes a goodbye.
func (m *membership) lose(id string) bool {
	_, known := m.others[id]
	delete(m.others, id)
	return known
}

// beat is called once for each heartbeat of this member's own.
func (m *membership) beat() bool {
	if !m.heard {
		return false
	}
	m.heard = false
	before := len(m.others)
	for id := range m.others {
		m.others[id]++
	}
	maps.DeleteFunc(m.others, func(_ string, beats int) bool { return beats >= lastBeat })
	return len(m.others) != before
}

// all are the members, this one included, in order.
func (m *membership) all() []string {
	all := append(slices.Collect(maps.Keys(m.others)), m.self)
	slices.Sort(all)
	return all
}
