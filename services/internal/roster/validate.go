package roster

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Validate gives a Problems with everything that is wrong, or nil. It expects a
// normalised cast.
func (c Cast) Validate() error {
	var v validator
	v.fields(reflect.ValueOf(c), Describe(), "")
	v.bots(c.Bots)
	v.chats(c)
	if len(v.problems) > 0 {
		return v.problems
	}
	return nil
}

// validator collects problems.
type validator struct{ problems Problems }

func (v *validator) add(path, value, want string) {
	v.problems = append(v.problems, Problem{Path: path, Value: value, Want: "want " + want})
}

// fields checks what the tags say.
func (v *validator) fields(value reflect.Value, s *Schema, path string) {
	for _, f := range s.Fields {
		field, at := f.Of(value), f.Name
		if path != "" {
			at = path + "." + f.Name
		}
		switch {
		case field.Kind() == reflect.Slice:
			v.list(field, f, at)
		case f.Struct != nil:
			v.fields(field, f.Struct, at)
		case f.Type == reflect.TypeFor[secret.Ref]():
			if field.IsZero() {
				v.add(at, Missing, f.Want)
			}
		case field.Kind() == reflect.String:
			v.text(field.String(), f, at)
		case f.bounded:
			v.number(field, f, at)
		}
	}
}

func (v *validator) list(list reflect.Value, f Field, path string) {
	if list.Len() > f.most {
		v.add(path, strconv.Itoa(list.Len())+" entries", f.Want)
	}
	seen := map[string]bool{}
	for i := range list.Len() {
		at := fmt.Sprintf("%s[%d]", path, i)
		if f.Struct != nil {
			v.fields(list.Index(i), f.Struct, at)
			continue
		}
		entry := list.Index(i).String()
		if v.text(entry, f, at) && seen[entry] {
			v.add(at, Quote(entry)+" stands twice", f.Want)
		}
		seen[entry] = true
	}
}

// text reports whether a text is fine.
func (v *validator) text(s string, f Field, path string) bool {
	n := float64(utf8.RuneCountInString(s))
	switch {
	case s == "" && f.Required:
		v.add(path, Missing, f.Want)
	case s == "" && f.Default == "" && f.Type.Kind() == reflect.String:
		return true
	case !storable(s):
		v.add(path, Quote(s), "readable text: valid UTF-8 without control characters other than new lines and tabs, and without marks of direction")
	case f.bounded && (n < f.min || n > f.max):
		v.add(path, fmt.Sprintf("%s (%d characters)", Quote(s), int(n)), f.Want)
	case f.pattern != nil && !f.pattern.MatchString(s):
		v.add(path, Quote(s), f.Want)
	default:
		return true
	}
	return false
}

// storable refuses what PostgreSQL can't store (NUL, invalid UTF-8) and what
// would garble a terminal or a chat: control characters, those that change the
// direction of what follows, and tags, which models read and people can't see.
func storable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' || r >= 0xE0000 && r < 0xE0100
	})
}

func (v *validator) number(field reflect.Value, f Field, path string) {
	var n float64
	switch {
	case field.CanInt():
		n = float64(field.Int())
	case field.CanFloat():
		n = field.Float()
	}
	low, high := f.min, f.max
	if field.Kind() == reflect.Float32 { // 0.1 is a little more as a float32
		low, high = float64(float32(low)), float64(float32(high))
	}
	if math.IsNaN(n) || n < low || n > high {
		v.add(path, textOf(field), f.Want)
	}
}

func (v *validator) bots(bots []Bot) {
	names, usernames := uses{}, uses{}
	for i, b := range bots {
		at := fmt.Sprintf("bots[%d]", i)
		v.once(names, b.Name, at+".name")
		v.once(usernames, strings.ToLower(b.Username), at+".username")
		if b.HourlyMin > b.HourlyMax {
			v.add(at+".hourly_min", strconv.Itoa(b.HourlyMin), fmt.Sprintf("no more than hourly_max, which is %d", b.HourlyMax))
		}
		v.checkHours(b.ActiveHours, at)
		topics, items, memories := uses{}, uses{}, uses{}
		for j, s := range b.Stances {
			v.once(topics, s.Topic, fmt.Sprintf("%s.stances[%d].topic", at, j))
		}
		for j, h := range b.Holdings {
			v.once(items, h.Item, fmt.Sprintf("%s.holdings[%d].item", at, j))
		}
		for j, m := range b.Memories {
			if m.Content != "" {
				v.once(memories, m.Kind+": "+m.Content, fmt.Sprintf("%s.memories[%d].content", at, j))
			}
		}
	}
}

func (v *validator) chats(c Cast) {
	bots := map[string]bool{}
	for _, b := range c.Bots {
		bots[b.Name] = true
	}
	names, ids := uses{}, uses{}
	for i, chat := range c.Chats {
		at := fmt.Sprintf("chats[%d]", i)
		v.once(names, chat.Name, at+".name")
		if id := chat.TelegramID; id != 0 {
			v.once(ids, strconv.FormatInt(id, 10), at+".telegram_id")
			v.group(chat, at)
		}
		if _, err := location(chat.TimeZone); chat.TimeZone != "" && err != nil {
			v.add(at+".time_zone", Quote(chat.TimeZone), "a name of the IANA time zone database, such as Europe/Paris")
		}
		if chat.MeanGap%time.Millisecond != 0 {
			v.add(at+".mean_gap", chat.MeanGap.String(), "whole milliseconds")
		}
		for j, name := range chat.Cast {
			if !bots[name] {
				v.add(fmt.Sprintf("%s.cast[%d]", at, j), Quote(name), "the name of a bot that stands under bots")
			}
		}
	}
}

func (v *validator) group(chat Chat, at string) {
	switch kind := KindOf(chat.TelegramID); {
	case chat.TelegramID > 0:
		v.add(at+".telegram_id", strconv.FormatInt(chat.TelegramID, 10),
			"a negative number: the ids of groups are negative, those of supergroups begin with -100")
	case (chat.Kind == Group || chat.Kind == Supergroup) && chat.Kind != kind:
		v.add(at+".kind", Quote(chat.Kind), fmt.Sprintf("%s, which is what the telegram_id %d says", kind, chat.TelegramID))
	}
}

// location is time.LoadLocation without the names that mean this machine's zone.
func location(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("is no name of a time zone")
	}
	return time.LoadLocation(name)
}

// uses remembers where a value stands.
type uses map[string]string

// once objects to a value that stands elsewhere, too.
func (v *validator) once(seen uses, value, path string) {
	if value == "" {
		return
	}
	if first, found := seen[value]; found {
		v.add(path, Quote(value), "one that stands nowhere else; it is at "+first+", too")
		return
	}
	seen[value] = path
}
