package command

import (
	"context"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/status"
	"github.com/chorus-cast/chorus/services/sender"
)

// tellStatus answers requests on the bus for this process' status, until the context ends.
func (p *process) tellStatus(service string) func(context.Context) error {
	build, started := telemetry.ReadBuild(), time.Now()
	return func(ctx context.Context) error {
		stop, err := status.Answer(p.bus, func() status.Process {
			s := status.Process{Service: service, Host: host(), Version: build.Version, Commit: build.Commit, Started: started, Cache: p.cacheStatus()}
			for _, of := range p.breakers {
				s.Breakers = append(s.Breakers, of()...)
			}
			if p.rests != nil {
				s.Rests = p.rests()
			}
			return s
		})
		if err != nil {
			return err
		}
		defer stop()
		<-ctx.Done()
		return nil
	}
}

// cacheStatus reads the cache's status from the metrics.
func (p *process) cacheStatus() *status.Cache {
	gathered, err := p.metrics.Gather()
	if err != nil {
		return nil
	}
	families := map[string]*dto.MetricFamily{}
	for _, f := range gathered {
		families[f.GetName()] = f
	}
	stats, sum := cacheStats{}, &status.Cache{Redis: "none", Hears: truth(families["chorus_cache_connected"])}
	stats.add(families)
	for _, k := range stats {
		sum.Hits, sum.Shared, sum.Misses = sum.Hits+k.local, sum.Shared+k.shared, sum.Misses+k.misses-k.shared
		sum.Values, sum.Bytes = sum.Values+k.values, sum.Bytes+k.bytes
	}
	switch {
	case p.cfg.redis.URL == "":
	case truth(families["chorus_cache_shared"]):
		sum.Redis = "answers"
	default:
		sum.Redis = "does not answer"
	}
	return sum
}

// truth tells whether a gauge is above 0.
func truth(f *dto.MetricFamily) bool {
	for _, m := range f.GetMetric() {
		return m.GetGauge().GetValue() > 0
	}
	return false
}

// providerBreakers returns a function that lists the breakers of providers that are not
// closed.
func providerBreakers(chains []*chain.Chain) func() []status.Breaker {
	return func() (all []status.Breaker) {
		for _, c := range chains {
			for _, b := range c.Breakers() {
				state := "half-open"
				if b.Open {
					state = "open"
				}
				all = append(all, status.Breaker{Of: "provider " + b.Provider, State: state, Since: b.Since, Next: b.Next})
			}
		}
		return all
	}
}

// providerRests returns a function that lists the providers that are not called for a
// while.
func providerRests(chains []*chain.Chain) func() []status.Rest {
	return func() (all []status.Rest) {
		for _, c := range chains {
			for _, r := range c.Rests() {
				all = append(all, status.Rest{Of: r.Provider, Why: r.Why, Since: r.Since, Until: r.Until})
			}
		}
		return all
	}
}

// botBreakers returns a function that lists the breakers of calls to Telegram that are not
// closed.
func botBreakers(s *sender.Sender) func() []status.Breaker {
	return func() (all []status.Breaker) {
		for _, b := range s.Breakers() {
			if b.State != "closed" {
				next := time.Now().Add(time.Duration(b.OpenFor * float64(time.Second)))
				all = append(all, status.Breaker{Of: "Telegram, " + b.Bot + ", " + b.Action, State: b.State, Since: b.Since, Next: next})
			}
		}
		return all
	}
}
