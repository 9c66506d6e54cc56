package deployment

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// Operate does something to a service. Kill takes the next replica each time.
func (e *Embedded) Operate(ctx context.Context, verb scenario.Verb, service string, n int) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	units, known := e.units[service]
	switch {
	case service == redis && e.redis != nil:
		return redis, e.operateRedis(ctx, verb)
	case service == telegram:
		units = []*unit{e.emulator}
	case !known:
		return "", fmt.Errorf("%s: there is no such service in this deployment", service)
	}
	switch verb {
	case scenario.Kill:
		if len(units) == 0 {
			return "", fmt.Errorf("kill %s: none runs", service)
		}
		u := units[e.next[service]%len(units)]
		e.next[service]++
		return u.name, u.kill()
	case scenario.Scale:
		return service, e.scale(ctx, service, n)
	case scenario.Stop:
		return service, each(units, (*unit).stop)
	case scenario.Pause:
		return service, each(units, (*unit).pause)
	case scenario.Resume:
		return service, each(units, (*unit).resume)
	case scenario.Start:
		return service, each(units, func(u *unit) error { return e.bringBack(ctx, u) })
	default:
		return "", fmt.Errorf("%q can't be done to %s", verb, service)
	}
}

// operateRedis stops Redis by a kill: it has nothing to save.
func (e *Embedded) operateRedis(ctx context.Context, verb scenario.Verb) error {
	switch verb {
	case scenario.Kill, scenario.Stop:
		e.redisUp = false
		return e.redis.Kill()
	case scenario.Pause:
		return e.redis.Pause()
	case scenario.Resume:
		return e.redis.Resume()
	case scenario.Start:
		if e.redisUp {
			return nil
		}
		e.redisUp = true
		return e.redis.Restart(ctx)
	default:
		return fmt.Errorf("%q can't be done to redis", verb)
	}
}

// each does something to all units, side by side.
func each(units []*unit, do func(*unit) error) error {
	errs := make([]error, len(units))
	var doing sync.WaitGroup
	for i, u := range units {
		doing.Go(func() { errs[i] = do(u) })
	}
	doing.Wait()
	return errors.Join(errs...)
}

// bringBack starts a unit that is down. It waits for Telegram only, because the lab itself needs
// it.
func (e *Embedded) bringBack(ctx context.Context, u *unit) error {
	if !u.ended() {
		return nil
	}
	if err := e.program.start(u); err != nil || u != e.emulator {
		return err
	}
	return e.program.awaitReady(ctx, u)
}

// scale starts or stops replicas until there are n of the service.
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
	e.units[service] = units[:n]
	return each(units[n:], (*unit).stop)
}

// Revive restarts processes that ended by themselves, as an orchestrator does, and returns
// their names.
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
