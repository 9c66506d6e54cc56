package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/chorus-cast/chorus/services/console"
	"github.com/chorus-cast/chorus/services/console/cast"
	"github.com/chorus-cast/chorus/services/console/chats"
	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/planner"
)

// console creates the console with the functions of other services that it needs.
func (p *process) console() (run.Part, error) {
	keys, err := p.cfg.keyring()
	if err != nil {
		return run.Part{}, run.Usage(err)
	}
	links, err := provider.New(p.cfg.llm)
	if err != nil {
		return run.Part{}, fmt.Errorf("llm.%w", err)
	}
	book := usage.NewBook(p.pool, p.log.Named("usage"))
	// Without metrics, because a generator in this process registers the same ones.
	texts := chain.New(links, chain.Deps{Ledger: book, Now: p.clock.Now, Log: p.log.Named("llm")})
	tools, closeTools, err := p.castTools(texts)
	if err != nil {
		return run.Part{}, err
	}
	s, err := console.Open(context.Background(), p.cfg.console, console.Deps{
		Pool: p.pool, Bus: p.bus, Now: p.clock.Now, Log: p.log.Named("console"), Keys: keys, Cast: tools,
		Check:    func(ctx context.Context) (preflight.Report, error) { return checkAll(ctx, p.cfg) },
		Settings: p.settings.Current, Telegram: p.emulatorURL, Words: doing,
		Outlook: func(ctx context.Context, chat string) (chats.Outlook, error) {
			return outlookOf(ctx, p.pool, p.cfg, chat)
		},
		Budgets: func(ctx context.Context) ([]overview.Budget, error) { return budgetsUsed(ctx, p.cfg.llm, p.pool) },
		Choose: func(ctx context.Context, chat int64) (int64, error) {
			return planner.Choose(ctx, p.pool, p.settings.Current(), p.cfg.planner.Pace, chat)
		},
		Honest: honest,
	})
	if err != nil {
		return run.Part{}, err
	}
	p.consoleURL = s.URL()
	return run.Part{Name: "console", Run: func(ctx context.Context) error {
		defer texts.Close()
		defer closeTools()
		return book.Around(ctx, s.Run)
	}}, nil
}

// honest tells whether a line doesn't claim that its speaker is human.
func honest(line string) bool { return !guard.ClaimsHuman(line) }

// castTools returns the functions that create bots and chats in an emulated Telegram, and
// those that write texts.
func (p *process) castTools(texts *chain.Chain) (tools cast.Tools, closeTools func(), err error) {
	closeTools = func() {}
	made := emulated{control: p.emulator}
	if p.emulator == nil && p.cfg.telegram.Emulated {
		if made.control, err = control.New(p.cfg.telegram.URL); err != nil {
			return tools, nil, run.Usage(fmt.Errorf("telegram.url: %w", err))
		}
		closeTools = made.control.Close
	}
	if made.control != nil {
		tools.Token, tools.Chat = made.token, made.chat
	}
	interview, err := generator.NewInterview(p.cfg.generator, generator.Deps{
		Pool: p.pool, Roster: p.rostered, Texts: texts, Now: p.clock.Now, Log: p.log.Named("generator"),
	})
	if err != nil {
		return tools, nil, err
	}
	tools.Say = func(ctx context.Context, chat, bot int64, text string) (string, error) {
		return interview.Ask(ctx, chat, bot, text)
	}
	if p.cfg.llm.Kind != provider.Offline { // the offline writer doesn't follow instructions
		tools.Write = func(ctx context.Context, system, user string) (string, error) {
			answer, err := texts.Generate(ctx, llm.Request{
				Messages: []llm.Message{{Role: llm.RoleSystem, Content: system}, {Role: llm.RoleUser, Content: user}},
				About:    llm.About{Purpose: llm.PurposeText},
			})
			if err == nil && answer.Offline {
				err = errNoModel
			}
			return answer.Text, err
		}
	}
	return tools, closeTools, nil
}

var errNoModel = errors.New("no model has written this")
