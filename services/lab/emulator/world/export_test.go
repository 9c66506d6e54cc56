package world

import (
	"reflect"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Diff describes how two worlds differ; "" if one equals the other after a restart.
func Diff(a, b *World) string {
	one, other := a.all(), b.all()
	if reflect.DeepEqual(one, other) {
		return "" // a hundred times faster than cmp
	}

	return cmp.Diff(one, other, cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateEmpty())
}

// all is everything that a restart must bring back.
type all struct {
	State     state
	Tokens    map[string]int64
	Usernames map[string]int64
	People    map[string]int64
}

func (w *World) all() all {
	w.mu.Lock()
	defer w.mu.Unlock()

	everything := all{State: w.state, Tokens: ids(w.tokens), Usernames: ids(w.usernames), People: w.people}
	everything.State.Accounts = map[int64]*account{}

	for id, a := range w.state.Accounts {
		silent := *a
		silent.wake = nil
		everything.State.Accounts[id] = &silent
	}

	return everything
}

func ids(accounts map[string]*account) map[string]int64 {
	all := map[string]int64{}
	for key, a := range accounts {
		all[key] = a.ID
	}

	return all
}
