package planner_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner"
)

// As many calls of Look as connections all complete, because none waits for a second
// connection while it holds one.
func TestWhoLooksNeedsOneConnection(t *testing.T) {
	t.Parallel()
	all := journaltest.Open(t)
	chat := journaltest.Chat(t, all, "club", journaltest.Bot(t, all, "anna"))
	cfg := all.Config()
	cfg.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	values, _ := settings.NewValues(nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := planner.Look(ctx, pool, values, 0, "club"); err != nil {
		t.Error(err)
	}
	if _, err := planner.Choose(ctx, pool, values, 0, chat); err != nil {
		t.Error(err)
	}
}
