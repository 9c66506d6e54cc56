package cache

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// recover makes a failed Redis usable again when it works. It runs in the background, so
// that no reader waits. It also detects when another server responds.
func (s *shared) recover(ctx context.Context) {
	var server string
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		if s.dialed.Swap(false) && s.usable() && !s.same(ctx, &server) {
			s.suspend(s.reason())
			s.breaker.Open()
		}
		for s.suspended.Load() {
			retry := time.NewTimer(max(s.breaker.RemainingDelay(), minRetry))
			select {
			case <-ctx.Done():
				retry.Stop()
				return
			case <-retry.C:
			}
			if !s.breaker.TryAcquirePermit() {
				continue
			}
			if s.same(ctx, &server) && s.works(ctx) && s.catchUp(ctx) {
				s.breaker.RecordSuccess()
				continue
			}
			s.breaker.RecordFailure()
		}
	}
}

const minRetry = 10 * time.Millisecond

// same reports whether Redis is still the known server, or the first one seen. A server
// that took over, or restarted from a file, may have missed invalidations, so everything in
// it is invalidated.
func (s *shared) same(ctx context.Context, server *string) bool {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	info, err := s.client.Info(ctx, "server").Result()
	if err != nil {
		s.lost.Store(&err)
		return false
	}
	id := runID(info)
	if *server != "" && *server != id {
		s.lost.Store(&errAnother)
		s.mu.Lock()
		s.note(s.everything())
		s.mu.Unlock()
		*server = id
		return !s.usable() // in use, it must be suspended first
	}
	*server = id
	return true
}

// works reports whether Redis accepts all operations. A replica, or a user with few rights,
// may accept some and refuse others.
func (s *shared) works(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	err := s.try(ctx)
	if err != nil {
		s.lost.Store(&err)
	}
	return err == nil || full(err)
}

// runID returns the id of one start of a server.
func runID(info string) string {
	for line := range strings.SplitSeq(info, "\r\n") {
		if id, ok := strings.CutPrefix(line, "run_id:"); ok {
			return id
		}
	}
	return ""
}

// catchUp deletes the stored keys and ends the suspension.
func (s *shared) catchUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	for {
		s.mu.Lock()
		if len(s.untold) == 0 {
			s.suspended.Store(false)
			s.mu.Unlock()
			s.metrics.shares(true)
			s.outages.Note(nil)
			return true
		}
		untold := s.untold
		s.untold = map[string]struct{}{}
		s.mu.Unlock()
		// Without the lock, so that changes can be stored meanwhile.
		if err := s.deletes(ctx, slices.Collect(maps.Keys(untold))); err != nil {
			s.mu.Lock()
			s.note(slices.Collect(maps.Keys(untold)))
			s.mu.Unlock()
			return false
		}
	}
}

// dialing detects new connections, because they may lead to another server.
type dialing struct{ *shared }

var _ redis.Hook = dialing{}

// DialHook records each new connection.
func (d dialing) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err == nil {
			d.dialed.Store(true)
			d.awake()
		}
		return conn, err
	}
}

// ProcessHook returns next.
func (dialing) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook returns next.
func (dialing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
