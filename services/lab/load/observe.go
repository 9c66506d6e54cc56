package load

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/load/accounting"
)

// journalState counts the turns by their state.
type journalState struct {
	at                              time.Time
	planned, open, delivered, ended int
}

// counts asks for how far the clocks are, how many turns are open, and how many deliveries
// were made.
const counts = `
SELECT (SELECT coalesce(sum(turn_no), 0) FROM chat_clock),
       (SELECT count(*) FROM turns WHERE closed_at IS NULL),
       (SELECT count(*) FROM deliveries WHERE outcome IN ('delivered', 'fell_back'))`

func look(ctx context.Context, pool *pgxpool.Pool) (journalState, error) {
	var s journalState
	err := pool.QueryRow(ctx, counts).Scan(&s.planned, &s.open, &s.delivered)
	s.at, s.ended = time.Now(), s.planned-s.open
	return s, err
}

// observe samples the processes and the journal until the context ends.
func (s *stage) observe(ctx context.Context) {
	every := lookEvery
	if s.scenario.Length() > long {
		every = lookEveryLong
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		s.sampler.Look(ctx, s.Sources())
		// A failed query is repeated at the next tick.
		if state, err := look(ctx, s.Pool()); err == nil {
			s.mu.Lock()
			s.last = state
			s.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// state returns what the observer saw last, of this run.
func (s *stage) state() journalState {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.last
	if now.at.IsZero() {
		return now
	}
	now.planned -= s.before.planned
	now.delivered -= s.before.delivered
	now.ended -= s.before.ended
	return now
}

// lastCall returns the number of the last call in the emulator's log.
func lastCall(ctx context.Context, emulator *control.Client) (uint64, error) {
	calls, err := accounting.Calls(ctx, emulator, 0)
	if err != nil || len(calls) == 0 {
		return 0, err
	}
	return calls[len(calls)-1].Seq, nil
}
