package generator

import (
	"context"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// Step is a step of the work on a turn.
type Step string

// The steps of the work on a turn, each with an effect that lasts.
const (
	Claimed   Step = "a claim"
	Texted    Step = "a text"
	Committed Step = "a commit"
	Rung      Step = "a ring"
)

// Steps are all steps.
func Steps() []Step { return []Step{Claimed, Texted, Committed, Rung} }

// Watch has a function called after each step but Texted, before the next one.
func (g *Generator) Watch(after func(Step)) {
	g.turns = g.stage(watched{g.ringing(watched{g.texts(), after, Committed}), after, Rung}, g.generate)
}

// watched are rows that tell when statements have ended.
type watched struct {
	turnRows

	after     func(Step)
	committed Step
}

// Claim implements stage.Rows.
func (w watched) Claim(ctx context.Context, chats []int64) ([]*journal.Unwritten, error) {
	tasks, err := w.turnRows.Claim(ctx, chats)
	if len(tasks) > 0 && w.committed == Committed {
		w.after(Claimed)
	}
	return tasks, err
}

// Commit implements stage.Rows.
func (w watched) Commit(ctx context.Context, ends []stage.End[*journal.Unwritten, journal.Written]) ([]*journal.Unwritten, error) {
	next, err := w.turnRows.Commit(ctx, ends)
	if err == nil {
		w.after(w.committed)
	}
	return next, err
}
