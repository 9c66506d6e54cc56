package journal_test

import (
	"testing"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// Drafts are stored with the text that counts: none after a lost claim, and, after a
// rewrite, beside the earlier ones.
func TestDraftsAreKeptWithTheirText(t *testing.T) {
	f := newFixture(t)
	us, die := f.process()
	turn := f.message(f.chat)
	texts := f.Texts(us)
	u := one(t, must(t, texts.Claim, []int64{f.chat}))
	written := func(draft string) journal.Written {
		return journal.Written{
			Deliveries: []*chorusv1.Delivery{journaltest.Message(turn, draft)}, Held: time.Now().Add(time.Hour),
			Drafts: &journal.Drafts{Prompt: []journal.Asked{{Role: "user", Text: "nul \x00, and no UTF-8 \xff"}}, Drafts: []journal.Draft{{Text: draft}}},
		}
	}
	die()
	them, _ := f.process()
	f.exec(`UPDATE turns SET fence = fence + 1, owner = $1`, them.Owner)
	must(t, texts.Commit, []writing{{Task: u, Result: written("lost"), Last: true}})
	if got := f.ask(`SELECT count(*) FROM drafts`); got != "0" {
		t.Errorf("%s are kept of a claim that was lost", got)
	}
	f.exec(`UPDATE turns SET owner = NULL, claimed_until = NULL`)
	texts = f.Texts(them)
	for _, draft := range []string{"first", "second"} {
		u = one(t, must(t, texts.Claim, []int64{f.chat}))
		must(t, texts.Commit, []writing{{Task: u, Result: written(draft), Last: true}})
		if err := f.Rewrite(t.Context(), f.held(turn.GetId(), f.version(turn.GetId())), "Shorter.", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.ask(`SELECT string_agg(drafts->0->>'text', ' ' ORDER BY at) FROM drafts`); got != "first second" {
		t.Errorf("kept is %q", got)
	}
	if got := f.ask(`SELECT prompt->0->>'text' FROM drafts LIMIT 1`); got != "nul  , and no UTF-8 �" {
		t.Errorf("kept is the prompt %q", got)
	}

	f.exec(`UPDATE drafts SET at = at - interval '3 hours' WHERE drafts->0->>'text' = 'first'`)
	for _, want := range []int64{1, 0} {
		if n, err := f.DeleteOldDrafts(t.Context(), f.chat, 2*time.Hour, 1); err != nil || n != want {
			t.Errorf("%d are deleted, want %d: %v", n, want, err)
		}
	}
	if err := f.ForgetShown(t.Context(), []int64{f.chat}); err != nil {
		t.Fatal(err)
	}
	if got := f.ask(`SELECT count(*) FILTER (WHERE prompt IS NULL) * 10 + count(*) FROM drafts`); got != "11" {
		t.Errorf("%s drafts are left without prompts", got)
	}
}
