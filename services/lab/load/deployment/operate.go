package deployment

import (
	"context"
	"fmt"
	"sync"
)

// Kill ends a replica of the service as a crash would, each time the next one,
// and returns its name. Start brings it back.
func (e *Embedded) Kill(_ context.Context, service string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if service == redis && e.redis != nil {
		e.redisUp = false
		return redis, e.redis.Kill()
	}
	units, err := e.of(service)
	if err != nil {
		return "", err
	}
	if len(units) == 0 {
		return "", fmt.Errorf("kill %s: none runs", service)
	}
	u := units[e.next[service]%len(units)]
	e.next[service]++
	return u.name, u.kill()
}

// Stop ends all replicas of the service, as an operator would.
func (e *Embedded) Stop(ctx context.Context, service string) error {
	if service == redis {
		_, err := e.Kill(ctx, service) // it keeps nothing that it would have to save
		return err
	}
	return e.each(service, (*unit).stop)
}

// Pause freezes all replicas of the service.
func (e *Embedded) Pause(_ context.Context, service string) error {
	if service == redis {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.redis.Pause()
	}
	return e.each(service, (*unit).pause)
}

// Resume lets paused replicas go on.
func (e *Embedded) Resume(_ context.Context, service string) error {
	if service == redis {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.redis.Resume()
	}
	return e.each(service, (*unit).resume)
}

// each does something to all replicas of a service, side by side.
func (e *Embedded) each(service string, do func(*unit) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	units, err := e.of(service)
	if err != nil {
		return err
	}
	errs := make([]error, len(units))
	var doing sync.WaitGroup
	for i, u := range units {
		doing.Go(func() { errs[i] = do(u) })
	}
	doing.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Embedded) of(service string) ([]*unit, error) {
	if service == telegram {
		return []*unit{e.emulator}, nil
	}
	units, known := e.units[service]
	if !known {
		return nil, fmt.Errorf("%s: %w", service, errNoSuch)
	}
	return units, nil
}

// Start starts the replicas of the service that are down.
func (e *Embedded) Start(ctx context.Context, service string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if service == redis {
		if e.redisUp {
			return nil
		}
		e.redisUp = true
		return e.redis.Restart(ctx)
	}
	units, err := e.of(service)
	if err != nil {
		return err
	}
	for _, u := range units {
		if !u.ended() {
			continue
		}
		if err := e.program.start(u); err != nil {
			return err
		}
		if service != telegram {
			continue // it is ready when it is
		}
		if err := e.program.awaitReady(ctx, u); err != nil { // the lab itself needs it
			return err
		}
	}
	return nil
}

// Scale starts or stops replicas until there are n of the service.
func (e *Embedded) Scale(ctx context.Context, service string, n int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.scale(ctx, service, n)
}

func (e *Embedded) scale(ctx context.Context, service string, n int) error {
	units := e.units[service]
	for len(units) < n {
		u, err := e.program.newUnit(ctx, service, fmt.Sprintf("%s-%d", service, len(units)+1), "--ops.listen", "/readyz")
		if err != nil {
			return err
		}
		if err := e.program.start(u); err != nil {
			return err
		}
		units = append(units, u)
	}
	var stopping sync.WaitGroup
	for _, u := range units[n:] {
		stopping.Go(func() { _ = u.stop() }) // it kills what doesn't stop
	}
	stopping.Wait()
	e.units[service] = units[:n]
	return nil
}

// Revive starts what has ended by itself again, as whoever runs services does,
// and returns what that was.
func (e *Embedded) Revive(context.Context) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := []*unit{e.emulator}
	for _, units := range e.units {
		all = append(all, units...)
	}
	var crashed []string
	for _, u := range all {
		if u.down || !u.ended() {
			continue
		}
		crashed = append(crashed, fmt.Sprintf("%s ended by itself: %s", u.name, e.program.tail(u)))
		if err := e.program.start(u); err != nil {
			return crashed, err
		}
	}
	return crashed, nil
}
