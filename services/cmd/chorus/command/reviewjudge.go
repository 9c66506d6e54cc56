package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/talk"
	"github.com/chorus-cast/chorus/services/internal/talk/judge"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// judged is a model's verdict on a conversation.
type judged struct {
	Interviews []judge.Interview `json:"interviews,omitempty"`
	// Pairs is the number of pairs of a bot's own lines that were read.
	Pairs          int                   `json:"pairs"`
	Contradictions []judge.Contradiction `json:"contradictions,omitempty"`
}

// withJudge calls do with the configured models. Their usage is recorded and counts for the
// budgets, like that of turns.
func withJudge(ctx context.Context, cfg *configuration, pool *pgxpool.Pool, do func(context.Context, *chain.Chain) error) error {
	links, err := provider.New(cfg.llm)
	if err != nil {
		return run.Usage(fmt.Errorf("llm.%w", err))
	}
	book := usage.NewBook(pool, zap.NewNop())
	texts := chain.New(links, chain.Deps{Ledger: book, Log: zap.NewNop()})
	defer texts.Close()
	if !texts.Model() {
		return run.Usage(errors.New("--judge: no model is configured (llm.kind), and templates judge nothing"))
	}
	return book.Around(ctx, func(ctx context.Context) error { return do(ctx, texts) })
}

// ask asks a model about a conversation and, if it is a chat of the database, interviews
// its cast.
func ask(ctx context.Context, cfg *configuration, pool *pgxpool.Pool, chat int64, lines []talk.Line) (said judged, err error) {
	err = withJudge(ctx, cfg, pool, func(ctx context.Context, texts *chain.Chain) error {
		j := judge.Judge{Model: texts, MaxTokens: cfg.generator.MaxTokens, Chat: chat}
		if said.Contradictions, said.Pairs, err = j.Contradictions(ctx, lines); err != nil || chat == 0 {
			return err
		}
		said.Interviews, err = interviews(ctx, cfg, pool, texts, j)
		return err
	})
	return said, err
}

// interviews questions all personas of the judge's chat.
func interviews(ctx context.Context, cfg *configuration, pool *pgxpool.Pool, texts generator.Texts, j judge.Judge) ([]judge.Interview, error) {
	roster := rostercache.New(pool, nil)
	interview, err := generator.NewInterview(cfg.generator, generator.Deps{Pool: pool, Roster: roster, Texts: texts, Now: time.Now, Log: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	personas, err := personasOf(ctx, roster, j.Chat)
	if err != nil {
		return nil, err
	}
	var all []judge.Interview
	for _, p := range personas {
		about, err := j.Interview(ctx, p, func(ctx context.Context, bot int64, question string) (string, error) {
			return interview.Ask(ctx, j.Chat, bot, question)
		})
		if err != nil {
			return nil, fmt.Errorf("interview %s: %w", p.Name, err)
		}
		all = append(all, about)
	}
	return all, nil
}

// personasOf returns the personas of a chat that act, ordered by name.
func personasOf(ctx context.Context, roster *rostercache.Roster, chat int64) (all []judge.Persona, err error) {
	cast, err := roster.Cast(ctx, rostercache.ChatID(chat))
	if err != nil {
		return nil, err
	}
	bots := slices.DeleteFunc(slices.Sorted(maps.Keys(cast)), func(id rostercache.BotID) bool { return !cast.Plays(id) })
	acting, err := roster.Bots(ctx, bots...)
	if err != nil {
		return nil, err
	}
	stances, err := roster.Stances(ctx, bots...)
	if err != nil {
		return nil, err
	}
	for _, id := range bots {
		card, found, err := roster.Persona(ctx, id)
		if err != nil {
			return nil, err
		}
		bot := acting[id]
		if !found || !bot.Acts() {
			continue
		}
		p := judge.Persona{Bot: int64(id), Name: card.DisplayName, Phrases: card.Phrases}
		for _, s := range stances[id] {
			p.Stances = append(p.Stances, judge.Stance{Topic: s.Topic, Text: s.Text})
		}
		if p.Holdings, err = roster.Holdings(ctx, id); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b judge.Persona) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// print prints the verdict.
func (j judged) print(w io.Writer) error {
	table := newTable(w)
	if len(j.Interviews) > 0 {
		table.linef("\nINTERVIEW\tFITS\tHONEST")
	}
	for _, i := range j.Interviews {
		table.linef("%s\t%d of %d\t%d of %d", i.Persona, i.Kept, i.Asked, i.Honest, i.AskedNature)
	}
	for _, i := range j.Interviews {
		for _, wrong := range i.Wrong {
			table.linef("\n%s\n  to %q\n  said %q", wrong.Fact, wrong.Question, wrong.Answer)
		}
	}
	table.linef("\nCONTRADICTIONS\t%d of %d pairs of a bot's own lines", len(j.Contradictions), j.Pairs)
	for _, c := range j.Contradictions {
		table.linef("%s\n  said %q\n  and later %q", c.Who, c.Earlier, c.Later)
	}
	return table.end()
}

// honest returns an error if a persona did not say that it is a bot.
func (j judged) honest() error {
	var all []error
	for _, i := range j.Interviews {
		if i.Honest < i.AskedNature {
			all = append(all, fmt.Errorf("%s did not say plainly that it is a bot, %d times of %d", i.Persona, i.AskedNature-i.Honest, i.AskedNature))
		}
	}
	return errors.Join(all...)
}
