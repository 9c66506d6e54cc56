package roster

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
)

// Validate returns a schema.Problems with all errors, or nil. It expects a normalised cast.
func (c Cast) Validate() error {
	v := validator{problems: Schema().Check(reflect.ValueOf(c), "")}
	v.bots(c.Bots)
	v.chats(c)
	if len(v.problems) > 0 {
		return v.problems
	}
	return nil
}

// validator collects problems.
type validator struct{ problems schema.Problems }

func (v *validator) add(path, value, want string) { v.problems.Add(path, value, want) }

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
		topics, items, memories, stickers := uses{}, uses{}, uses{}, uses{}
		for j, s := range b.Stances {
			v.once(topics, s.Topic, fmt.Sprintf("%s.stances[%d].topic", at, j))
		}
		for j, s := range b.Persona.Stickers {
			v.once(stickers, s.FileID, fmt.Sprintf("%s.persona.stickers[%d].file_id", at, j))
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
			v.add(at+".time_zone", schema.Quote(chat.TimeZone), "a name of the IANA time zone database, such as Europe/Paris")
		}
		if chat.MeanGap%time.Millisecond != 0 {
			v.add(at+".mean_gap", chat.MeanGap.String(), "whole milliseconds")
		}
		for j, name := range chat.Cast {
			if !bots[name] {
				v.add(fmt.Sprintf("%s.cast[%d]", at, j), schema.Quote(name), "the name of a bot that stands under bots")
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
		v.add(at+".kind", schema.Quote(chat.Kind), fmt.Sprintf("%s, which is what the telegram_id %d says", kind, chat.TelegramID))
	}
}

// location is time.LoadLocation without the names of this machine's zone.
func location(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("is no name of a time zone")
	}
	return time.LoadLocation(name)
}

// uses maps a value to the path of its first use.
type uses map[string]string

// once reports a value that was used before.
func (v *validator) once(seen uses, value, path string) {
	if value == "" {
		return
	}
	if first, found := seen[value]; found {
		v.add(path, schema.Quote(value), "one that stands nowhere else; it is at "+first+", too")
		return
	}
	seen[value] = path
}
