package generator

import (
	"context"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// turnRows are the turns that a stage writes.
type turnRows = stage.Rows[*journal.Unwritten, journal.Written]

// rows are the turns to write. It rings for deliveries once they are committed.
type rows struct {
	turnRows

	bus     *bus.Bus
	metrics *Metrics
}

// Commit implements stage.Rows.
func (r rows) Commit(ctx context.Context, ends []stage.End[*journal.Unwritten, journal.Written]) ([]*journal.Unwritten, error) {
	next, err := r.turnRows.Commit(ctx, ends)
	if err != nil {
		return nil, err
	}
	chats := make([]int64, 0, len(ends))
	for _, e := range ends {
		if len(e.Result.Deliveries) > 0 {
			chats = append(chats, e.Task.Chat())
		} else {
			r.metrics.closed(e.Result.Outcome)
		}
	}
	r.bus.Ring(bus.Messages(), chats...)
	return next, nil
}
