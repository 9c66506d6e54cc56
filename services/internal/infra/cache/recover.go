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

// recover lets a Redis be used again that failed, once it answers. No reader is
// held up to find out. And it notices when another server answers than before.
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

// same asks which server it is, and tells whether that is the known one, or the
// first. A server that took over, or came back from a file, may have missed what
// the last one was told; so it is to forget everything.
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
		return !s.usable() // in use, it must not be
	}
	*server = id
	return true
}

// works tells whether Redis takes all that it is used for: a replica, or a user with
// few rights, may answer one question and refuse the next.
func (s *shared) works(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	err := s.try(ctx)
	if err != nil {
		s.lost.Store(&err)
	}
	return err == nil || full(err)
}

// runID tells one server, and one start of it, from another.
func runID(info string) string {
	for line := range strings.SplitSeq(info, "\r\n") {
		if id, ok := strings.CutPrefix(line, "run_id:"); ok {
			return id
		}
	}
	return ""
}

// catchUp tells Redis what it missed, and ends the suspension.
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
		// Not under the lock, because changes are noted meanwhile.
		if err := s.deletes(ctx, slices.Collect(maps.Keys(untold))); err != nil {
			s.mu.Lock()
			s.note(slices.Collect(maps.Keys(untold)))
			s.mu.Unlock()
			return false
		}
	}
}

// dialing notices new connections: they may lead to another server.
type dialing struct{ *shared }

var _ redis.Hook = dialing{}

// DialHook is called for each new connection.
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

// ProcessHook changes nothing.
func (dialing) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook changes nothing.
func (dialing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
