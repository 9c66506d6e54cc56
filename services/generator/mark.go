package generator

import (
	"fmt"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// Marks of lines.
const (
	markSelf   = "you"
	markBot    = "bot"
	markPerson = "person"
)

// mark marks lines by who wrote them: the bot that speaks, other bots, people. Those of
// a kind who bear the same name get numbers, in the order in which they come.
func mark(lines []*script.Line, self int64) {
	type namesake struct {
		bot  bool
		name string
	}
	bearers := map[namesake][]int64{}
	number := func(l *script.Line, id int64) (n, of int) {
		k := namesake{l.Bot != 0, strings.ToLower(strings.TrimSpace(l.Author))}
		for i, other := range bearers[k] {
			if other == id {
				return i + 1, len(bearers[k])
			}
		}
		bearers[k] = append(bearers[k], id)
		return len(bearers[k]), len(bearers[k])
	}
	for _, l := range lines {
		if l.Bot == 0 || l.Bot != self {
			number(l, l.Bot+l.Person)
		}
	}
	for _, l := range lines {
		if l.Bot != 0 && l.Bot == self {
			l.Mark = markSelf
			continue
		}
		if l.Mark = markPerson; l.Bot != 0 {
			l.Mark = markBot
		}
		if n, of := number(l, l.Bot+l.Person); of > 1 {
			l.Mark = fmt.Sprintf("%s %d", l.Mark, n)
		}
	}
}
