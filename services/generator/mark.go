package generator

import (
	"fmt"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// The marks of lines, by author.
const (
	markSelf   = "you"
	markBot    = "bot"
	markPerson = "person"
)

// mark sets the mark of each line by its author: the speaking bot, another bot, or a person.
// Authors of the same kind and name get numbers, in order of appearance.
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
