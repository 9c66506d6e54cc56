package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
)

func checkCommand() *cobra.Command {
	cfg := newConfiguration()
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look whether everything is there and as it should be",
		Long: `Looks at the configuration, the database and its schema, the bus, Redis, the
provider of texts, the token of every bot and its rights in every chat, and says
what to do where something is wrong. It changes nothing and writes in no chat. The
exit code is 1 if anything failed; warnings are none.`,
		Example: `  chorus check
  chorus check --json | jq '.findings[] | select(.status != "ok")'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := check(cmd, cfg)
			if err != nil {
				return err
			}
			write := report.WriteTable
			if asJSON {
				write = report.WriteJSON
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return err
			}
			if n := report.Count(preflight.Failure); n > 0 {
				return fmt.Errorf("checks failed: %d", n)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was found as JSON")
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionNATS, sectionRedis, sectionTelegram, sectionLLM, sectionGenerator, sectionSecret)
	return cmd
}

func check(cmd *cobra.Command, cfg *configuration) (*preflight.Report, error) {
	var report preflight.Report
	err := cfg.load(cmd)
	if mistakes := (*config.Error)(nil); errors.As(err, &mistakes) {
		for _, line := range mistakes.Lines {
			remedy := "chorus config --table lists all there is to configure"
			if strings.Contains(line, ": can't be read: ") {
				remedy = "give --config the path of a file, or leave it out: flags and the environment are enough"
			}
			report.Add(failure("configuration", "", line, remedy))
		}
		return &report, nil // the other checks would use servers that aren't meant
	}
	if err != nil {
		return nil, err
	}
	report, err = checkAll(cmd.Context(), cfg)
	return &report, err
}

// checkAll checks everything that the configuration names.
func checkAll(ctx context.Context, cfg *configuration) (report preflight.Report, err error) {
	report.Add(preflight.Finding{Status: preflight.OK, Check: "configuration", Found: "can be read"})
	pool, found := preflight.Database(ctx, cfg.database)
	report.Add(found...)
	report.Add(preflight.Bus(ctx, cfg.nats)...)
	report.Add(preflight.Redis(ctx, cfg.redis)...)
	report.Add(checkTexts(ctx, cfg)...)
	if pool == nil {
		return report, nil // the cast is in the database
	}
	defer pool.Close()
	found, err = checkSilence(ctx, pool)
	if err != nil {
		return report, err
	}
	report.Add(found...)
	found, err = checkBudgets(ctx, cfg, pool)
	if err != nil {
		return report, err
	}
	report.Add(found...)
	found, err = checkCast(ctx, cfg, pool)
	report.Add(found...)
	return report, err
}

func failure(check, subject, found, remedy string) preflight.Finding {
	return preflight.Finding{Status: preflight.Failure, Check: check, Subject: subject, Found: found, Remedy: remedy}
}

func checkTexts(ctx context.Context, cfg *configuration) []preflight.Finding {
	links, err := provider.New(cfg.llm)
	if err != nil {
		return []preflight.Finding{failure("llm", cfg.llm.Kind, err.Error(), "correct the section llm of the configuration")}
	}
	request, err := generator.Trial(cfg.generator)
	if err != nil {
		return []preflight.Finding{failure("llm", "prompt", err.Error(), "correct the templates in generator.prompts")}
	}
	var found []preflight.Finding
	for _, l := range links {
		found = append(found, preflight.Texts(ctx, provided(l), request)...)
	}
	embeddings, err := provider.NewEmbeddings(cfg.llm)
	if err != nil {
		return append(found, failure("llm", "embeddings", err.Error(), "correct the section llm.embeddings of the configuration"))
	}
	for _, l := range embeddings {
		found = append(found, preflight.Embeddings(ctx, provided(l))...)
	}
	return found
}

func provided(l chain.Link) preflight.Provider {
	return preflight.Provider{Provider: l.Provider, Name: l.Name, Timeout: l.Limits.Timeout, LoadTimeout: l.Limits.LoadTimeout}
}

func checkCast(ctx context.Context, cfg *configuration, pool *pgxpool.Pool) ([]preflight.Finding, error) {
	keys, err := cfg.keyring()
	if err != nil {
		return []preflight.Finding{failure("configuration", "keys", err.Error(), "give the keys that the senders have")}, nil
	}
	tokens := rosterpg.Tokens{Keyring: keys}
	states, err := tokens.States(ctx, pool)
	if err != nil {
		return nil, err
	}
	cast, err := rosterpg.Read(ctx, pool, tokens)
	if err != nil {
		return nil, err
	}
	client, err := telegram.New(cfg.telegram)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	refused, err := rosterpg.Refusals(ctx, pool)
	if err != nil {
		return nil, err
	}
	values, err := settingspg.Values(ctx, pool)
	if err != nil {
		return nil, err
	}
	found := append(preflight.Tokens(states), preflight.Cast(ctx, client, cast)...)
	found = append(found, preflight.Approval(ctx, client, cast, values)...)
	return append(found, preflight.Refused(refused)...), nil
}
