package generator_test

import (
	"encoding/json"
	"strings"

	"github.com/google/go-cmp/cmp"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// keptOf returns the stored prompt and drafts of a turn.
func (s *stage) keptOf(turn *chorusv1.Turn) (kept journal.Drafts) {
	s.t.Helper()
	row := s.text(`SELECT coalesce(json_agg(json_build_object('Prompt', prompt, 'Drafts', drafts)), '[]')::text FROM drafts WHERE chat_id = $1 AND turn_no = $2`,
		turn.GetId().GetChatId(), turn.GetId().GetNumber())
	var all []journal.Drafts
	if err := json.Unmarshal([]byte(row), &all); err != nil {
		s.t.Fatal(err)
	}
	if len(all) > 1 {
		s.t.Fatalf("%d rows are kept, want one at most", len(all))
	}
	if len(all) == 1 {
		kept = all[0]
	}
	return kept
}

func draftsAreKeptAsTheChatWantsIt(s *stage) {
	const link = "Read it at https://example.com, all of you."
	refused := journal.Draft{Text: link, Rule: "link", Reason: "It has a link or an address, which is not allowed.", Found: "https://"}
	write := func(what, text string, want []journal.Draft, drafts ...string) journal.Drafts {
		s.t.Helper()
		s.says(drafts...)
		turn := s.turn()
		if text == "" {
			s.becomes(turn, "rejected")
		} else if got := s.delivery(turn).GetText(); got != text {
			s.t.Errorf("%s: it says %q, want %q", what, got, text)
		}
		kept := s.keptOf(turn)
		if diff := cmp.Diff(want, kept.Drafts); diff != "" {
			s.t.Errorf("%s: %s", what, diff)
		}
		return kept
	}
	if kept := write("by default, one that was objected to", line, []journal.Draft{refused, {Text: line}}, link, line); len(kept.Prompt) > 0 {
		s.t.Error("the prompt is kept by default")
	}
	write("by default, one that passed", "One that passed.", nil, "One that passed.")
	s.attempts = 1
	write("by default, one after a failed call", "It was tried again.", []journal.Draft{{Text: "It was tried again."}}, "It was tried again.")
	s.attempts = 0

	s.set(settings.KeepDrafts.Definition, "all")
	kept := write("of all, one that passed", "All of it is kept.", []journal.Draft{{Text: "All of it is kept."}}, "All of it is kept.")
	asked := s.prompts()[0]
	if len(kept.Prompt) != len(asked) || kept.Prompt[0].Text != asked[0].Content || kept.Prompt[1].Text != asked[1].Content || kept.Prompt[1].Role != "user" {
		s.t.Errorf("kept %+v, asked with %+v", kept.Prompt, asked)
	}
	quoted := journal.Draft{Text: `"Page by page, then."`, Rule: "quoted", Reason: "It stands in quotation marks as a whole: write it without them.", Mended: true}
	write("of all, one that was mended", "Page by page, then.", []journal.Draft{refused, quoted}, link, quoted.Text)
	again := refused
	again.Text = "Again: https://example.com."
	write("of all, one that was rejected", "", []journal.Draft{refused, again}, link, again.Text)
	long := strings.Repeat("ä", 10_000)
	s.says(long, "A shorter one, then.")
	turn := s.turn()
	s.delivery(turn)
	if got := s.keptOf(turn).Drafts[0].Text; len(got) > 8<<10 || !strings.HasPrefix(got, "ää") || !strings.HasSuffix(got, "ä…") {
		s.t.Errorf("of a long draft %d bytes are kept: %.20q", len(got), got)
	}

	s.set(settings.KeepDrafts.Definition, "off")
	write("of none", "Nothing is kept.", nil, link, "Nothing is kept.")
}
