package cache

import (
	"fmt"
	"strconv"
	"strings"
)

// Key names a value among those of its kind: the id of a bot or a chat. Each
// kind has the type of its own, so that a bot's id is never taken for a chat's.
type Key interface{ ~int64 }

// Tag says what was changed. Kinds have names such as bot.persona, and a tag is
// about all kinds that begin with its own: bot is about bot.persona too, and the
// zero Tag about everything.
type Tag struct {
	Kind string
	// ID is the changed key; 0 for all keys, because no row has that id.
	ID int64
}

// String is what ParseTag reads: kind:id, a kind, or * for everything.
func (t Tag) String() string {
	switch {
	case t.Kind == "" && t.ID == 0:
		return "*"
	case t.ID == 0:
		return t.Kind
	}
	return t.Kind + ":" + strconv.FormatInt(t.ID, 10)
}

// ParseTag reads kind:id, a kind, or * for everything.
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

// about tells whether the tag is about values of a kind.
func (t Tag) about(kind string) bool {
	rest, ok := strings.CutPrefix(kind, t.Kind)
	return ok && (t.Kind == "" || rest == "" || rest[0] == '.')
}

// namespace is what all our keys in Redis begin with.
const namespace = "chorus:cache:"

// place is where Redis has a value. The version is that of its encoding: builds
// that encode it differently, and run side by side, don't meet.
func place(kind string, version int, id int64) string {
	return generation(kind, version) + ":" + strconv.FormatInt(id, 10)
}

// generation is where Redis has the number that all values of a kind carry.
func generation(kind string, version int) string {
	return namespace + kind + "." + strconv.Itoa(version)
}
