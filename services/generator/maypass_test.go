package generator

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

func TestMayPass(t *testing.T) {
	t.Parallel()
	lines := []*heardLine{{}}
	person, bot := &target{Line: script.Line{Person: 7}}, &target{Line: script.Line{Bot: 7, FromBot: true}}
	for name, test := range map[string]struct {
		past past
		want bool
	}{
		"nothing was said":          {past{}, false},
		"somebody spoke":            {past{lines: lines}, true},
		"a bot is answered":         {past{lines: lines, answered: bot}, true},
		"a person is answered":      {past{lines: lines, answered: person}, false},
		"the one before passed":     {past{lines: lines, passed: true}, false},
		"it passed, and a bot asks": {past{lines: lines, answered: bot, passed: true}, false},
	} {
		if got := test.past.mayPass(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
