// Package settings is the table of Chorus' run-time parameters: what each is
// called, what it may be, what it is if nobody says, and for what it can be set.
// What is set is stored elsewhere (settingspg); here are the meaning of it and
// immutable snapshots.
//
// A setting can be set globally, for a chat and for a bot, as far as its scopes
// allow; the narrowest that is set holds: bot, then chat, then global, then the
// default.
package settings

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Type is the kind of value that a setting has.
type Type string

// The types. Durations are written as Go does (1m30s), hours as HH:MM-HH:MM.
const (
	Bool     Type = "bool"
	Int      Type = "int"
	Float    Type = "float"
	Duration Type = "duration"
	Enum     Type = "enum"
	Hours    Type = "list of hours"
)

// Scope is for what a setting is set.
type Scope string

// The scopes.
const (
	Global Scope = "global"
	Chat   Scope = "chat"
	Bot    Scope = "bot"
)

// Definition is one row of the table. It never changes.
type Definition struct {
	Key         string
	Type        Type
	Default     string // as Text writes it
	Range       string // what is allowed, in words
	Scopes      []Scope
	Description string

	parse func(json.RawMessage) (any, error)
	read  func(string) (any, error)
	text  func(any) string
}

// Key is a setting whose values are Ts.
type Key[T any] struct {
	*Definition
	fallback T
}

// Of is the setting's value for a chat and a bot; 0 for neither. What it returns
// must not be changed.
func (k Key[T]) Of(v *Values, chatID, botID int64) T {
	if value, _, ok := v.lookup(k.Definition, chatID, botID); ok {
		if t, ok := value.(T); ok {
			return t
		}
	}
	return k.fallback
}

// ParseJSON checks a value as it is stored and as the API takes it, and returns
// it in its canonical form. It is strict: a string is never taken for a bool or
// a number.
func (d *Definition) ParseJSON(raw json.RawMessage) (json.RawMessage, error) {
	value, err := d.parse(raw)
	if err != nil {
		return nil, d.wrong(string(raw), err)
	}
	return d.encode(value)
}

// ParseText checks a value as it is written on a command line, and returns it as
// ParseJSON does. Items of lists are separated by commas; an empty text is an
// empty list.
func (d *Definition) ParseText(text string) (json.RawMessage, error) {
	value, err := d.read(text)
	if err != nil {
		return nil, d.wrong(fmt.Sprintf("%q", text), err)
	}
	return d.encode(value)
}

// Allows checks that the setting can be set for a scope.
func (d *Definition) Allows(scope Scope) error {
	if !slices.Contains(d.Scopes, scope) {
		return fmt.Errorf("%s: scope %q: want %s", d.Key, scope, oneOf(d.Scopes))
	}
	return nil
}

// encode gives durations and hours their usual form: 60s becomes 1m0s.
func (d *Definition) encode(value any) (json.RawMessage, error) {
	switch d.Type {
	case Bool, Int, Float, Hours:
	case Duration, Enum:
		value = d.text(value)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Key, err)
	}
	return raw, nil
}

// maxShown is how much of a wrong value an error repeats.
const maxShown = 80

func (d *Definition) wrong(value string, err error) error {
	if len(value) > maxShown {
		value = value[:maxShown] + "..."
	}
	return fmt.Errorf("%s: %s: %w; allowed is %s", d.Key, value, err, d.Range)
}
