package journal_test

import (
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// Who writes many rows at once must not wait for one who writes the same ones and
// waits for it: rows are locked in the order of their turns, however they come.
func TestRowsAreLockedInOneOrder(t *testing.T) {
	s := newScene(t)
	var planned []journal.Planned
	for i := range int64(300) {
		planned = append(planned, journal.Planned{Turn: journaltest.Turn(s.chat, i+1, s.bot)})
	}
	entries, _ := s.plan(planned...)
	backwards := slices.Clone(entries)
	slices.Reverse(backwards)
	var all errgroup.Group
	for _, order := range [][]journal.Entry{entries, backwards} {
		for range 2 {
			all.Go(func() error {
				for range 10 {
					if err := s.Turns().Published(t.Context(), order); err != nil {
						return err
					}
					if err := s.Turns().Return(t.Context(), order); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := all.Wait(); err != nil {
		t.Error(err)
	}
}
