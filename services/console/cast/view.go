package cast

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
)

func titled(title, name string) string { return cmp.Or(title, name) }

// mood is the colour of what happens.
func mood(op string) string {
	return map[string]string{"added": "good", "restored": "good", "removed": "bad"}[op]
}

func removes(changes []roster.Shown) (n int) {
	for _, c := range changes {
		if c.Op == "removed" {
			n++
		}
	}
	return n
}

func kinds() []string { return memory.Kinds() }

// about tells whom a memory is about, where that is known.
func about(m BotMemory) string {
	if len(m.About) == 0 {
		return ""
	}
	return " about " + strings.Join(m.About, " and ")
}

// from tells where a memory comes from.
func from(m BotMemory) string {
	if m.Chat != "" {
		return "learned in " + m.Chat
	}
	return "from " + map[string]string{memory.Cast: "the cast", memory.Operator: "an operator"}[m.Source]
}

// tokenHint says where the token is looked for.
func tokenHint(isNew bool, bot string) string {
	if isNew {
		return "env:" + castfile.Variable(bot)
	}
	return "stays as it is"
}

// unquoted is a value as people read it: a text without its quotation marks.
func unquoted(value string) string {
	if text, err := strconv.Unquote(value); err == nil && text != "" {
		return text
	}
	return value
}
