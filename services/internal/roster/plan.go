package roster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry/redact"
)

// Op is a kind of change.
type Op int

// The kinds of changes.
const (
	Create Op = iota
	Update
	Restore // a pruned one comes back with its history
	Remove
)

func (o Op) mark() string {
	switch o {
	case Create, Restore:
		return "+"
	case Update:
		return "~"
	case Remove:
		return "-"
	}
	return "?"
}

// Change is a change of one bot or one chat. Either Bot or Chat is set: in its new state, with the
// ID of its row if it has one; for Remove, in its old state.
type Change struct {
	Op    Op
	Bot   *Bot
	Chat  *Chat
	Edits []Edit
}

// Name returns the object of the change, such as "bot anna".
func (c Change) Name() string {
	if c.Bot != nil {
		return "bot " + c.Bot.Name
	}
	return "chat " + c.Chat.Name
}

// Edit is a field that changes. Before is empty if there was no value, After if there will be none;
// texts are quoted.
type Edit struct {
	Path   string `json:"path"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// TokenPath is the path of the Edit for a changed token.
const TokenPath = "token"

// Edited reports whether a field is among the edits.
func (c Change) Edited(path string) bool {
	return slices.ContainsFunc(c.Edits, func(e Edit) bool { return e.Path == path })
}

// Plan holds the changes from one cast to another, in an order in which they can be made, and notes
// about things that stay although the wanted cast differs.
type Plan struct {
	Changes []Change
	Notes   []string
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Changes) == 0 }

// Equal reports whether two plans make the same changes.
func (p Plan) Equal(other Plan) bool {
	return slices.EqualFunc(p.Changes, other.Changes, func(a, b Change) bool {
		return a.Op == b.Op && a.Name() == b.Name() && slices.Equal(a.Edits, b.Edits)
	})
}

// Count returns the number of changes of the given kinds.
func (p Plan) Count(ops ...Op) int {
	n := 0
	for _, c := range p.Changes {
		if slices.Contains(ops, c.Op) {
			n++
		}
	}
	return n
}

// Shown is a change as it is shown and stored. It holds no token.
type Shown struct {
	Op    string `json:"op" enum:"added,changed,restored,removed"`
	Name  string `json:"name" doc:"what changes, such as bot anna"`
	Edits []Edit `json:"edits"`
}

// Shown returns the changes for display.
func (p Plan) Shown() []Shown {
	ops := map[Op]string{Create: "added", Update: "changed", Restore: "restored", Remove: "removed"}
	hide := redact.New().String
	all := make([]Shown, len(p.Changes))
	for i, c := range p.Changes {
		all[i] = Shown{Op: ops[c.Op], Name: c.Name(), Edits: make([]Edit, len(c.Edits))}
		for j, e := range c.Edits {
			all[i].Edits[j] = Edit{Path: hide(e.Path), Before: hide(e.Before), After: hide(e.After)}
		}
	}
	return all
}

// Forgotten returns the number of memories removed from bots that stay.
func (p Plan) Forgotten() int {
	n := 0
	for _, c := range p.Changes {
		for _, e := range c.Edits {
			if e.After == "" && strings.HasPrefix(e.Path, "memories[") && strings.HasSuffix(e.Path, "].relevance") {
				n++
			}
		}
	}
	return n
}

// String returns the plan as a diff, with a summary in the last line. It never shows a token.
func (p Plan) String() string {
	var b strings.Builder
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "! %s\n", note)
	}
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s", c.Op.mark(), c.Name())
		if c.Op == Restore {
			b.WriteString(" (comes back)")
		}
		b.WriteByte('\n')
		for _, e := range c.Edits {
			fmt.Fprintf(&b, "    %s\n", redact.New().String(e.String()))
		}
	}
	if p.Empty() {
		b.WriteString("nothing to change\n")
		return b.String()
	}
	fmt.Fprintf(&b, "%d to create, %d to change, %d to remove\n", p.Count(Create, Restore), p.Count(Update), p.Count(Remove))
	return b.String()
}

// String returns the edit on one line. Long texts are shown around their first difference.
func (e Edit) String() string {
	path := cut([]rune(e.Path), 0)
	before, after := excerpts(e.Before, e.After)
	switch {
	case e.Before == "":
		return path + ": " + after
	case e.After == "":
		return path + ": " + before + " -> (none)"
	}
	return path + ": " + before + " -> " + after
}

const (
	excerpt = 70 // characters of a value that an edit shows
	lead    = 20 // of these, before the first difference
)

func excerpts(before, after string) (string, string) {
	a, b := []rune(before), []rune(after)
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	from := 0
	if max(len(a), len(b)) > excerpt && same < min(len(a), len(b)) {
		from = max(0, same-lead)
	}
	return cut(a, from), cut(b, from)
}

func cut(text []rune, from int) string {
	prefix, suffix := "", ""
	if from > 0 {
		prefix, text = "…", text[from:]
	}
	if len(text) > excerpt {
		text, suffix = text[:excerpt], "…"
	}
	return prefix + string(text) + suffix
}
