package roster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
)

// Diff returns the changes from the current cast to the wanted one. Both must be normalised; the
// wanted one must be valid, and its bots must have their Secret and AccountID.
//
// Bots and chats are identified by their names. If a name is new but its Telegram id or username
// belongs to a bot or chat that the wanted cast doesn't name, it is the same one renamed, and keeps
// its history.
//
// Without prune, bots, chats and memories that the wanted cast doesn't name stay. An empty
// username, title or Telegram id keeps the current one.
func Diff(current, wanted Cast, prune bool) Plan {
	d := differ{schema: Schema(), current: current, wanted: wanted, prune: prune}
	bots, gone := d.bots()
	chats, goneChats := d.chats()
	// Names, ids and usernames must be free before another row takes them.
	d.plan.Changes = slices.Concat(goneChats, gone, bots, chats)
	return d.plan
}

type differ struct {
	schema          *schema.Schema
	current, wanted Cast
	prune           bool
	renamed         map[string]string // bots' old names to their new ones
	plan            Plan
}

func (d *differ) part(list string) *schema.Schema {
	f, _ := d.schema.Field(list)
	return f.Struct
}

func (d *differ) bots() (kept, gone []Change) {
	described := d.part("bots")
	named := map[string]bool{}
	for _, b := range d.wanted.Bots {
		named[b.Name] = true
	}
	d.renamed = map[string]string{}
	matched := map[string]bool{}
	for _, want := range d.wanted.Bots {
		old := d.botFor(want, named, matched)
		if old == nil {
			fresh := described.New().Interface().(Bot) //nolint:forcetypeassert // New makes what it is asked for
			list := append([]Edit{{Path: TokenPath, After: source(want)}}, edits(leavesOfBot(fresh, described), leavesOfBot(want, described))...)
			kept = append(kept, Change{Op: Create, Bot: &want, Edits: created(list)})
			continue
		}
		matched[old.Name] = true
		d.renamed[old.Name] = want.Name
		want = d.merge(want, *old)
		list := edits(leavesOfBot(*old, described), leavesOfBot(want, described))
		if e, changed := tokenEdit(*old, want); changed {
			list = append([]Edit{e}, list...)
		}
		switch {
		case old.Removed:
			kept = append(kept, Change{Op: Restore, Bot: &want, Edits: list})
		case len(list) > 0:
			kept = append(kept, Change{Op: Update, Bot: &want, Edits: list})
		}
	}
	for _, old := range d.current.Bots {
		if d.prune && !matched[old.Name] && !old.Removed {
			gone = append(gone, Change{Op: Remove, Bot: &old})
		}
	}
	return kept, gone
}

// botFor returns the current bot that a wanted one refers to, or nil.
func (d *differ) botFor(want Bot, named, matched map[string]bool) *Bot {
	for i, old := range d.current.Bots {
		if old.Name == want.Name {
			return &d.current.Bots[i]
		}
	}
	for i, old := range d.current.Bots {
		same := old.AccountID != 0 && old.AccountID == want.AccountID ||
			old.Username != "" && strings.EqualFold(old.Username, want.Username)
		if same && !named[old.Name] && !matched[old.Name] {
			return &d.current.Bots[i]
		}
	}
	return nil
}

// merge fills in from the current bot what the wanted one leaves open.
func (d *differ) merge(want, old Bot) Bot {
	want.ID = old.ID
	if want.Username == "" && (want.AccountID == 0 || want.AccountID == old.AccountID) {
		want.Username = old.Username
	}
	if want.Secret.Empty() {
		want.Secret, want.AccountID = old.Secret, old.AccountID
	}
	if d.prune {
		return want
	}
	listed := map[string]bool{}
	for _, m := range want.Memories {
		listed[m.Kind+" "+m.Content] = true
	}
	want.Memories = slices.Clone(want.Memories)
	for _, m := range old.Memories {
		if !listed[m.Kind+" "+m.Content] {
			want.Memories = append(want.Memories, m)
		}
	}
	return want
}

// tokenEdit compares tokens. A token is sealed for a name, so a renamed bot gets its token again.
func tokenEdit(old, want Bot) (Edit, bool) {
	e := Edit{Path: TokenPath, After: source(want)}
	switch {
	case want.Secret.Empty(): // neither is known
		return Edit{}, false
	case old.Secret.Empty():
		e.Before = "(can't be opened)"
	case !old.Secret.Equal(want.Secret):
		e.Before = "(another one)"
	case old.Name != want.Name:
		e.Before = "(sealed for " + old.Name + ")"
	default:
		return Edit{}, false
	}
	return e, true
}

// source describes the origin of a token.
func source(b Bot) string {
	switch {
	case b.Token.Env != "":
		return "env:" + b.Token.Env
	case b.Token.File != "":
		return "file:" + b.Token.File
	}
	return "(given)"
}

func (d *differ) chats() (kept, gone []Change) {
	described := d.part("chats")
	named := map[string]bool{}
	for _, c := range d.wanted.Chats {
		named[c.Name] = true
	}
	matched := map[string]bool{}
	for _, want := range d.wanted.Chats {
		old := d.chatFor(want, named)
		if old == nil {
			fresh := described.New().Interface().(Chat) //nolint:forcetypeassert // New makes what it is asked for
			kept = append(kept, Change{Op: Create, Chat: &want, Edits: created(edits(leavesOfChat(fresh, described), leavesOfChat(want, described)))})
			continue
		}
		matched[old.Name] = true
		before := d.withNewNames(*old)
		want = d.settle(want, before)
		list := edits(leavesOfChat(before, described), leavesOfChat(want, described))
		switch {
		case old.Removed:
			kept = append(kept, Change{Op: Restore, Chat: &want, Edits: list})
		case len(list) > 0:
			kept = append(kept, Change{Op: Update, Chat: &want, Edits: list})
		}
	}
	for _, old := range d.current.Chats {
		if d.prune && !matched[old.Name] && !old.Removed {
			gone = append(gone, Change{Op: Remove, Chat: &old})
		}
	}
	return kept, gone
}

func (d *differ) chatFor(want Chat, named map[string]bool) *Chat {
	for i, old := range d.current.Chats {
		if old.Name == want.Name {
			return &d.current.Chats[i]
		}
	}
	for i, old := range d.current.Chats {
		if want.TelegramID != 0 && old.TelegramID == want.TelegramID && !named[old.Name] {
			return &d.current.Chats[i]
		}
	}
	return nil
}

// withNewNames returns a chat whose cast has the bots' new names.
func (d *differ) withNewNames(c Chat) Chat {
	c.Cast = slices.Clone(c.Cast)
	for i, name := range c.Cast {
		if next, found := d.renamed[name]; found {
			c.Cast[i] = next
		}
	}
	return c
}

// settle fills in from the current chat what the wanted one leaves open.
func (d *differ) settle(want, old Chat) Chat {
	want.ID = old.ID
	if want.Title == "" {
		want.Title = old.Title
	}
	upgraded := old.Kind == Supergroup && want.Kind == Group
	if upgraded {
		// Telegram gives an upgraded group a new id, and an upgrade can't be undone.
		d.plan.Notes = append(d.plan.Notes, fmt.Sprintf(
			"chat %s was upgraded to a supergroup and stays telegram_id %d: put that id into the file", want.Name, old.TelegramID))
	}
	if want.TelegramID == 0 || upgraded {
		want.TelegramID, want.Kind = old.TelegramID, old.Kind
	}
	return want
}

// created removes the defaults, which are no earlier values, from the edits of a new row.
func created(list []Edit) []Edit {
	for i := range list {
		list[i].Before = ""
	}
	return list
}
