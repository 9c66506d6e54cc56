package command

import (
	"context"
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/listener"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/sender"
)

// module describes a service: what a process needs to run it.
type module struct {
	name string
	kind lease.Kind
	// sections are the configuration sections of the service, in addition to those of every
	// service.
	sections []string
	// streams are those that it rings in or receives rings from.
	streams []string
	// tokens tells that it opens the bots' tokens.
	tokens bool
	// make creates the service in a process that is connected.
	make func(*process) (run.Part, error)
}

// modules lists the services. The make function of each, below, shows its dependencies.
//
//	module     does the rows of     and rings for                  needs beside PostgreSQL and NATS
//	planner    prompts, clocks      texts, messages, reactions     settings, cache
//	generator  turns to write       messages, commands             providers of texts, cache
//	sender     deliveries           -                              Telegram, limits (Redis), cache, tokens
//	listener   updates of Telegram  prompts, commands              Telegram, settings, tokens
//	console    what people ask for  what they have done            settings, tokens, providers of texts
func modules() []module {
	return []module{plannerModule(), generatorModule(), senderModule(), listenerModule(), consoleModule()}
}

func plannerModule() module {
	return module{
		name: "planner", kind: lease.Planner, sections: []string{sectionPlanner, sectionRedis, sectionCache},
		streams: []string{subject.Turns, subject.Deliveries, subject.Prompts}, make: (*process).planner,
	}
}

func generatorModule() module {
	return module{
		name: "generator", kind: lease.Generator, sections: []string{sectionGenerator, sectionLLM, sectionRedis, sectionCache},
		streams: []string{subject.Turns, subject.Deliveries}, make: (*process).generator,
	}
}

func senderModule() module {
	return module{
		name: "sender", kind: lease.Sender, sections: []string{sectionSender, sectionRedis, sectionCache, sectionTelegram, sectionSecret},
		streams: []string{subject.Deliveries}, tokens: true, make: (*process).sender,
	}
}

func listenerModule() module {
	return module{
		name: "listener", kind: lease.Listener, sections: []string{sectionListener, sectionTelegram, sectionSecret},
		streams: []string{subject.Prompts, subject.Deliveries}, tokens: true, make: (*process).listener,
	}
}

func consoleModule() module {
	return module{
		name: "console", kind: lease.Console,
		sections: []string{sectionConsole, sectionRedis, sectionCache, sectionSecret, sectionTelegram, sectionLLM, sectionGenerator, sectionPlanner},
		streams:  []string{subject.Turns, subject.Deliveries, subject.Prompts}, make: (*process).console,
	}
}

// everything describes a process with all modules.
func everything() module {
	return module{name: "up", kind: lease.All, streams: bus.Streams(), tokens: true}
}

func (p *process) planner() (run.Part, error) {
	s := planner.New(p.cfg.planner, planner.Deps{
		Pool: p.pool, Rows: p.rows, Bus: p.bus, Lease: p.lease, Settings: p.settings, Roster: p.rostered,
		Now: p.clock.Now, Tracer: p.tracing.Tracer("planner"), Stages: p.stages, Metrics: planner.NewMetrics(p.metrics), Log: p.log.Named("planner"),
	})
	p.changed = append(p.changed, s.Wake)
	return run.Part{Name: "planner", Run: s.Run}, nil
}

func (p *process) generator() (run.Part, error) {
	links, err := provider.New(p.cfg.llm)
	if err != nil {
		return run.Part{}, fmt.Errorf("llm.%w", err)
	}
	embeddings, err := provider.NewEmbeddings(p.cfg.llm)
	if err != nil {
		return run.Part{}, fmt.Errorf("llm.%w", err)
	}
	book := usage.NewBook(p.pool, p.log.Named("usage"))
	texts := chain.New(links, chain.Deps{
		Ledger: book, Replicas: p.lease.Replicas, Now: p.clock.Now, Metrics: chain.NewMetrics(p.metrics), Log: p.log.Named("llm"),
	})
	chains := []*chain.Chain{texts}
	deps := generator.Deps{
		Pool: p.pool, Rows: p.rows, Bus: p.bus, Lease: p.lease, Roster: p.rostered, Settings: p.settings, Texts: texts,
		Now: p.clock.Now, Tracer: p.tracing.Tracer("generator"), Stages: p.stages, Metrics: generator.NewMetrics(p.metrics), Log: p.log.Named("generator"),
	}
	if len(embeddings) > 0 {
		chains = append(chains, chain.New(embeddings, texts.Deps))
		deps.Embeddings = chains[1]
	}
	p.breakers, p.rests = append(p.breakers, providerBreakers(chains)), providerRests(chains)
	s, err := generator.New(p.cfg.generator, deps)
	if err != nil {
		return run.Part{}, err
	}
	return run.Part{Name: "generator", Run: func(ctx context.Context) error {
		return book.Around(ctx, func(ctx context.Context) error {
			defer func() {
				for _, c := range chains {
					c.Close()
				}
			}()
			return s.Run(ctx)
		})
	}}, nil
}

// senderMargin is the additional time that the sender gets, after the grace of its calls,
// to record their outcomes.
const senderMargin = 5 * time.Second

func (p *process) sender() (run.Part, error) {
	keys, client, err := p.telegram()
	if err != nil {
		return run.Part{}, err
	}
	limits, err := p.limits(p.lease.Replicas)
	if err != nil {
		return run.Part{}, run.Usage(err)
	}
	s, err := sender.New(p.cfg.sender, sender.Deps{
		Pool: p.pool, Rows: p.rows, Bus: p.bus, Lease: p.lease, Telegram: client, Roster: p.rostered, Open: p.opener(keys), Limits: limits,
		Now: p.clock.Now, Tracer: p.tracing.Tracer("sender"), Stages: p.stages, Metrics: sender.NewMetrics(p.metrics),
		Refusals: refusal.NewMetrics(p.metrics), Log: p.log.Named("sender"),
	})
	if err != nil {
		return run.Part{}, err
	}
	p.ops.Show("/breakers", s.ServeBreakers)
	p.breakers = append(p.breakers, botBreakers(s))
	return run.Part{Name: "sender", Run: s.Run, Grace: p.cfg.sender.Grace + senderMargin}, nil
}

func (p *process) listener() (run.Part, error) {
	keys, client, err := p.telegram()
	if err != nil {
		return run.Part{}, err
	}
	s, err := listener.New(p.cfg.listener, listener.Deps{
		Pool: p.pool, Bus: p.bus, Lease: p.lease, Telegram: client, Settings: p.settings, Open: p.opener(keys),
		Now: p.clock.Now, Metrics: listener.NewMetrics(p.metrics), Log: p.log.Named("listener"), Honest: honest,
	})
	if err != nil {
		return run.Part{}, err
	}
	p.changed = append(p.changed, s.Wake)
	return run.Part{Name: "listener", Run: s.Run}, nil
}
