package settings

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
)

// Stored is a stored value.
type Stored struct {
	Key   string
	Scope Scope
	// ScopeID is the chat's or bot's id; 0 for the global scope.
	ScopeID int64
	Value   json.RawMessage
}

// Values is a snapshot of all stored values. It never changes, and is safe for concurrent use. The
// zero Values, and nil, hold the defaults.
type Values struct {
	set map[place]reflect.Value
}

type place struct {
	key   string
	scope Scope
	id    int64
}

// NewValues returns a snapshot. It leaves out and reports rows that this version doesn't accept (an
// unknown key, a value or scope that isn't allowed); the others hold.
func NewValues(stored []Stored) (*Values, []error) {
	definitions := make(map[string]*Definition, len(stored))
	for _, d := range All() {
		definitions[d.Key] = d
	}
	v := &Values{set: make(map[place]reflect.Value, len(stored))}
	var problems []error
	for _, s := range stored {
		value, err := s.check(definitions[s.Key])
		if err != nil {
			problems = append(problems, fmt.Errorf("stored setting left out: %w", err))
			continue
		}
		v.set[place{s.Key, s.Scope, s.ScopeID}] = value
	}
	return v, problems
}

func (s Stored) check(d *Definition) (reflect.Value, error) {
	if d == nil {
		return reflect.Value{}, fmt.Errorf("%.64q: there is no such setting", s.Key)
	}
	if err := d.Allows(s.Scope); err != nil {
		return reflect.Value{}, err
	}
	if (s.Scope == Global) != (s.ScopeID == 0) {
		return reflect.Value{}, fmt.Errorf("%s: id %d: want 0 for the global scope, and only there", s.Key, s.ScopeID)
	}
	return d.fromJSON(s.Value)
}

// lookup returns the narrowest value for a chat and a bot, and its scope.
func (v *Values) lookup(d *Definition, chatID, botID int64) (reflect.Value, Scope, bool) {
	if v == nil || len(v.set) == 0 {
		return reflect.Value{}, "", false
	}
	for _, p := range [...]place{{d.Key, Bot, botID}, {d.Key, Chat, chatID}, {d.Key, Global, 0}} {
		if p.scope != Global && p.id == 0 {
			continue
		}
		if value, ok := v.set[p]; ok {
			return value, p.scope, true
		}
	}
	return reflect.Value{}, "", false
}

// Highest returns the highest value of a setting in any chat.
func Highest(v *Values, k Key[int]) int {
	highest := k.Of(v, 0, 0)
	for _, styled := range k.styled {
		highest = max(highest, styled)
	}
	if v == nil {
		return highest
	}
	for p, value := range v.set {
		if p.key == k.Key {
			highest = max(highest, int(value.Int()))
		}
	}
	return highest
}

// Text returns the value of a setting for a chat and a bot (0 for neither), in the format of the
// command line, and its scope: "" for the default.
func (v *Values) Text(d *Definition, chatID, botID int64) (text string, from Scope) {
	value, scope, ok := v.lookup(d, chatID, botID)
	if !ok {
		if text, differs := d.Styles[Style.Of(v, chatID, 0)]; differs {
			return text, ""
		}
		return d.Default, ""
	}
	return schema.Format(value), scope
}
