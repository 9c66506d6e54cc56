// Package calllog is the emulator's log of every call of its Bot API with the
// effect it had: the ground truth for tests. A record is in the log before its
// call is answered, and the log survives kill -9.
package calllog

import (
	"encoding/json"
	"strings"
	"time"
)

// NoEffect is the effect of a call that did nothing.
const NoEffect = "none"

// Record is one call.
type Record struct {
	Seq  uint64    `json:"seq"` // from 1, without gaps, in the order of effects
	ID   string    `json:"id"`  // of the call, also in the world's journal
	Time time.Time `json:"time"`
	// Bot and BotID are empty for a call with an unknown token.
	Bot    string `json:"bot,omitempty"`
	BotID  int64  `json:"bot_id,omitempty"`
	Method string `json:"method"`
	Chat   int64  `json:"chat,omitempty"`
	// Params are the parameters as given, structured ones as JSON.
	Params map[string]json.RawMessage `json:"params,omitempty"`
	// Status is the HTTP status that was or would have been answered; 0 where
	// the client left before the call was carried out.
	Status          int    `json:"status"`
	Description     string `json:"description,omitempty"`
	RetryAfter      int    `json:"retry_after,omitempty"` // seconds
	MigrateTo       int64  `json:"migrate_to_chat_id,omitempty"`
	EffectMessageID int64  `json:"effect_message_id,omitempty"`
	// Effect is the effect of the call: sent, reacted, unreacted, unchanged, edited, deleted,
	// left, typing, set, or none.
	Effect string `json:"effect"`
	// Fault is the id of the rule that changed the answer or delayed it.
	Fault string `json:"fault,omitempty"`
	// Cut reports that the connection was closed instead of a response.
	Cut bool `json:"cut,omitempty"`
	// Recovered reports that the record was made from the world's journal, because the process
	// died between the effect and this log.
	Recovered bool `json:"recovered,omitempty"`
	// Duration is the time until the call took effect, in milliseconds.
	Duration float64 `json:"duration_ms"`
}

// Filter chooses records; zero fields choose all.
type Filter struct {
	Since  uint64 // only records after this one
	Bot    string // username, with or without @
	Chat   int64
	Method string // in any case
	Follow bool   // go on with what comes, until the reader's context ends
}

func (f Filter) matches(r Record) bool {
	return (f.Bot == "" || strings.EqualFold(strings.TrimPrefix(f.Bot, "@"), r.Bot)) &&
		(f.Chat == 0 || f.Chat == r.Chat) &&
		(f.Method == "" || strings.EqualFold(f.Method, r.Method))
}

// plain reports whether every record matches.
func (f Filter) plain() bool { return f.Bot == "" && f.Chat == 0 && f.Method == "" }
