package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/clock"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/listener"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/sender"
)

func plannerCommand() *cobra.Command {
	return serviceCommand("planner", "Decide who speaks next, where and when",
		`Plans turns and publishes them. Any number of planners may run on one database:
start and stop them freely, they share the chats.`,
		"  chorus planner --database.url postgres://chorus@db/chorus --nats.url nats://bus:4222",
		(*process).planner, needs{streams: []string{subject.Turns, subject.Deliveries}}, sectionPlanner, sectionRedis, sectionCache)
}

func generatorCommand() *cobra.Command {
	return serviceCommand("generator", "Write what the turns say",
		`Writes the text of each turn, with a model or without one, and hands it to the
sender. Run more than one to have more texts written at once. The model's key
stands in a variable or a file, which --llm.key names.`,
		`  chorus generator --llm.kind openai --llm.url https://api.openai.com/v1 --llm.model gpt-4o-mini --llm.key env:OPENAI_API_KEY
  chorus generator --llm.kind openai --llm.url http://127.0.0.1:11434/v1 --llm.model llama3.2`,
		(*process).generator, needs{streams: []string{subject.Deliveries}}, sectionGenerator, sectionLLM, sectionRedis, sectionCache)
}

func senderCommand() *cobra.Command {
	return serviceCommand("sender", "Make the calls to Telegram",
		`Sends messages and sets reactions, each chat in its own order and none
waiting for another. Run more than one: they share the chats. The bots' tokens
are in the database, sealed with a key that the sender needs.`,
		"  CHORUS_SECRET_KEYS=$(cat chorus.key) chorus sender --telegram.url https://api.telegram.org",
		(*process).sender, needs{streams: []string{subject.Deliveries, subject.Receipts}, tokens: true},
		sectionSender, sectionRedis, sectionCache, sectionTelegram, sectionSecret)
}

func listenerCommand() *cobra.Command {
	return serviceCommand("listener", "Hear what people say in the chats",
		`Hears what people write in the chats, and tells the planner. It asks Telegram for
updates, unless --listener.public-url says where Telegram can bring them. Run more
than one: each bot is listened to by one of them, and by another one when that
ends. The bots' tokens are in the database, sealed with a key that the listener
needs.`,
		`  CHORUS_SECRET_KEYS=$(cat chorus.key) chorus listener --telegram.url https://api.telegram.org
  CHORUS_SECRET_KEYS=$(cat chorus.key) chorus listener --listener.public-url https://chorus.example.org --listener.listen :8081`,
		(*process).listener, needs{streams: []string{subject.Updates}, tokens: true}, sectionListener, sectionTelegram, sectionSecret)
}

// serviceCommand runs one service.
func serviceCommand(name, short, long, example string, service func(*process) (run.Part, error), n needs, sections ...string) *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long, Example: example,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd, databaseURL, natsURL); err != nil {
				return err
			}
			ctx := cmd.Context()
			p, err := newProcess(ctx, cfg, name)
			if err != nil {
				return err
			}
			defer p.close()
			return p.lastWords(ctx, p.serve(ctx, name, n, service))
		},
	}
	cfg.Bind(cmd.Flags(), append(sections, sectionDatabase, sectionNATS, sectionOps, sectionLog, sectionTrace)...)
	return cmd
}

// serve runs one service until the context ends.
func (p *process) serve(ctx context.Context, name string, n needs, service func(*process) (run.Part, error)) error {
	if err := p.connect(ctx, name); err != nil {
		return err
	}
	if err := p.operate(ctx, n); err != nil {
		return err
	}
	part, err := service(p)
	if err != nil {
		return err
	}
	p.group.Add(part)
	return p.run(ctx)
}

// lastWords writes into the log why a service ends, where it wasn't asked to: whoever
// reads the log need not look for a line of another form.
func (p *process) lastWords(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	p.log.Error("the service ends", zap.Error(err))
	return run.Told(err)
}

func (p *process) planner() (run.Part, error) {
	listen := func(ctx context.Context, hear bus.Handler[*chorusv1.Update]) error {
		return bus.NewConsumer(p.bus, bus.Planner(), journal.New(p.pool).Timed(p.clock.Now), p.busMetrics, hear).Run(ctx)
	}
	s := planner.New(p.cfg.planner, planner.Deps{
		Pool: p.pool, Bus: p.bus, Listen: listen, Settings: p.settings, Roster: p.rostered, Tracer: p.tracing.Tracer("planner"),
		Now: p.clock.Now, Metrics: planner.NewMetrics(p.metrics), Log: p.log.Named("planner"),
	})
	p.restored = append(p.restored, s.Hurry)
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
	var s *generator.Generator // asked once it runs
	texts := chain.New(links, chain.Deps{
		Ledger: book, Replicas: func() int { return s.Replicas() }, Now: p.clock.Now, Metrics: chain.NewMetrics(p.metrics), Log: p.log.Named("llm"),
	})
	chains := []*chain.Chain{texts}
	deps := generator.Deps{
		Pool: p.pool, Bus: p.bus, Roster: p.rostered, Texts: texts,
		Now: p.clock.Now, Metrics: generator.NewMetrics(p.metrics), Log: p.log.Named("generator"),
	}
	if len(embeddings) > 0 {
		chains = append(chains, chain.New(embeddings, texts.Deps))
		deps.Embeddings = chains[1]
	}
	s, err = generator.New(p.cfg.generator, deps, p.busMetrics)
	if err != nil {
		return run.Part{}, err
	}
	p.restored = append(p.restored, s.Hurry)
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

// senderMargin is what the sender gets beyond the grace of its calls to write
// down what became of them.
const senderMargin = 5 * time.Second

func (p *process) sender() (run.Part, error) {
	keys, err := p.cfg.keyring()
	if err != nil {
		return run.Part{}, run.Usage(err)
	}
	client, err := telegram.New(p.cfg.telegram, p.log.Named("telegram"))
	if err != nil {
		return run.Part{}, err
	}
	client.TellTime(p.clocks.To(clock.Telegram))
	var s *sender.Sender // asked once it runs
	limits, err := p.limits(func() int { return s.Replicas() })
	if err != nil {
		return run.Part{}, run.Usage(err)
	}
	s, err = sender.New(p.cfg.sender, sender.Deps{
		Pool: p.pool, Bus: p.bus, Telegram: client, Limits: limits, Roster: p.rostered, Open: p.opener(keys),
		Now: p.clock.Now, Metrics: sender.NewMetrics(p.metrics), Refusals: refusal.NewMetrics(p.metrics), Log: p.log.Named("sender"),
	}, p.busMetrics)
	if err != nil {
		return run.Part{}, err
	}
	p.restored = append(p.restored, s.Hurry)
	p.ops.Show("/breakers", s.ServeBreakers)
	return run.Part{Name: "sender", Run: s.Run, Grace: p.cfg.sender.Grace + senderMargin}, nil
}

func (p *process) listener() (run.Part, error) {
	keys, err := p.cfg.keyring()
	if err != nil {
		return run.Part{}, run.Usage(err)
	}
	client, err := telegram.New(p.cfg.telegram, p.log.Named("telegram"))
	if err != nil {
		return run.Part{}, err
	}
	client.TellTime(p.clocks.To(clock.Telegram))
	s, err := listener.New(p.cfg.listener, listener.Deps{
		Pool: p.pool, Bus: p.bus, Telegram: client, Settings: p.settings, Open: p.opener(keys),
		Now: p.clock.Now, Metrics: listener.NewMetrics(p.metrics), Log: p.log.Named("listener"),
	})
	if err != nil {
		return run.Part{}, err
	}
	p.restored = append(p.restored, s.Hurry)
	p.changed = append(p.changed, s.Wake)
	return run.Part{Name: "listener", Run: s.Run}, nil
}
