package cache

import (
	"fmt"
	"strconv"
	"strings"
)

// Key is the key of a value: the id of a bot or a chat. Each kind of id has its own type,
// so that a bot's id can't be used for a chat.
type Key interface{ ~int64 }

// Tag names what was changed. It covers all kinds whose names begin with its own: bot
// covers bot.persona, and the zero Tag covers everything.
type Tag struct {
	Kind string
	// ID is the changed key; 0 for all keys, because no row has the id 0.
	ID int64
}

// String returns the form that ParseTag reads: kind:id, a kind, or * for everything.
func (t Tag) String() string {
	switch {
	case t.Kind == "" && t.ID == 0:
		return "*"
	case t.ID == 0:
		return t.Kind
	}
	return t.Kind + ":" + strconv.FormatInt(t.ID, 10)
}

// ParseTag parses kind:id, a kind, or * for everything.
func ParseTag(text string) (Tag, error) {
	if text == "*" {
		return Tag{}, nil
	}
	kind, number, keyed := strings.Cut(text, ":")
	if !validKind(kind) {
		return Tag{}, fmt.Errorf("%.64q: want KIND:ID, KIND or *, with a kind such as bot.persona", text)
	}
	if !keyed {
		return Tag{Kind: kind}, nil
	}
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id < 1 {
		return Tag{}, fmt.Errorf("%.64q: id: want a whole number from 1", text)
	}
	return Tag{Kind: kind, ID: id}, nil
}

func validKind(kind string) bool {
	for part := range strings.SplitSeq(kind, ".") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return false
		}
	}
	return true
}

// about reports whether the tag covers a kind.
func (t Tag) about(kind string) bool {
	rest, ok := strings.CutPrefix(kind, t.Kind)
	return ok && (t.Kind == "" || rest == "" || rest[0] == '.')
}

// namespace is the prefix of all our keys in Redis.
const namespace = "chorus:cache:"

// place returns the Redis key of a value. It contains the version of the encoding, so that
// builds with different encodings can run side by side.
func place(kind string, version int, id int64) string {
	return generation(kind, version) + ":" + strconv.FormatInt(id, 10)
}

// generation returns the Redis key of a kind's generation, which all its values carry.
func generation(kind string, version int) string {
	return namespace + kind + "." + strconv.Itoa(version)
}
