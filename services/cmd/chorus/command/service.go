package command

import (
	"context"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

func plannerCommand() *cobra.Command {
	return serviceCommand(plannerModule(), "Decide who speaks next, where and when",
		`Plans turns and rings for them. Any number of planners may run on one database:
start and stop them freely, they share the chats.`,
		"  chorus planner --database.url postgres://chorus@db/chorus --nats.url nats://bus:4222")
}

func generatorCommand() *cobra.Command {
	return serviceCommand(generatorModule(), "Write what the turns say",
		`Writes the text of each turn, with a model or without one, and passes it to the
sender. Run more than one to have more texts written at once. The model's key
stands in a variable or a file, which --llm.key names.`,
		`  chorus generator --llm.kind openai --llm.url https://api.openai.com/v1 --llm.model gpt-4o-mini --llm.key env:OPENAI_API_KEY
  chorus generator --llm.kind openai --llm.url http://127.0.0.1:11434/v1 --llm.model llama3.2`)
}

func senderCommand() *cobra.Command {
	return serviceCommand(senderModule(), "Make the calls to Telegram",
		`Sends messages and sets reactions, each chat in its own order and none
waiting for another. Run more than one: they share the chats. The bots' tokens
are in the database, sealed with a key that the sender needs.`,
		"  CHORUS_SECRET_KEYS=$(cat chorus.key) chorus sender --telegram.url https://api.telegram.org")
}

func listenerCommand() *cobra.Command {
	return serviceCommand(listenerModule(), "Hear what people say in the chats",
		`Hears what people write in the chats, and tells the planner. It asks Telegram for
updates, unless --listener.public-url says where Telegram can bring them. Run more
than one: each bot is listened to by one of them, and by another one when that
ends. The bots' tokens are in the database, sealed with a key that the listener
needs.`,
		`  CHORUS_SECRET_KEYS=$(cat chorus.key) chorus listener --telegram.url https://api.telegram.org
  CHORUS_SECRET_KEYS=$(cat chorus.key) chorus listener --listener.public-url https://chorus.example.org --listener.listen :8081`)
}

func consoleCommand() *cobra.Command {
	cmd := serviceCommand(consoleModule(), "Serve the console: watch, understand, direct, approve",
		`Serves pages, an HTTP API and MCP for the people who run the cast. It holds nothing:
run more than one if need be. The first start prints a link with which the first
owner makes an account; it works once.`,
		`  chorus console --console.listen 127.0.0.1:8090
  chorus console --console.listen :8090 --console.public-url https://chorus.example.org`)
	cmd.AddCommand(consoleLinkCommand())
	return cmd
}

// serviceCommand returns the command that runs a service.
func serviceCommand(m module, short, long, example string) *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use: m.name, Short: short, Long: long, Example: example,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd, databaseURL, natsURL); err != nil {
				return err
			}
			ctx := cmd.Context()
			p, err := newProcess(ctx, cfg, m.name)
			if err != nil {
				return err
			}
			defer p.close()
			return p.lastWords(ctx, p.serve(ctx, m))
		},
	}
	cfg.Bind(cmd.Flags(), append(m.sections, sectionDatabase, sectionNATS, sectionOps, sectionLog, sectionTrace)...)
	return cmd
}

// serve runs one service until the context ends.
func (p *process) serve(ctx context.Context, m module) error {
	if err := p.connect(ctx, m); err != nil {
		return err
	}
	if err := p.operate(ctx, m); err != nil {
		return err
	}
	part, err := m.make(p)
	if err != nil {
		return err
	}
	p.group.Add(part)
	return p.run(ctx)
}

// lastWords logs the reason if a service ends without being asked to, so that the log
// contains it in its usual form.
func (p *process) lastWords(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	p.log.Error("the service ends", zap.Error(err))
	return run.Told(err)
}
