package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

// healthTimeout is shorter than the time-out of common probes.
const healthTimeout = 2 * time.Second

func healthCommand() *cobra.Command {
	cfg := newConfiguration()
	var ready bool
	var address string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the service on this machine whether it is alive",
		Long: `Asks the service that runs with the same configuration on this machine, by its
operators' port, and fails unless it answers that it is well. It is the health
check of images that have no other program in them.`,
		Example: `  chorus health --ready
  chorus health --url http://127.0.0.1:8080/`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd); err != nil {
				return err
			}
			if address == "" {
				address = "http://" + nearby(cfg.ops.Listen) + "/healthz"
				if ready {
					address = strings.TrimSuffix(address, "healthz") + "readyz"
				}
			}
			return healthy(cmd.Context(), address)
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it is ready for work, not only alive")
	cmd.Flags().StringVar(&address, "url", "", "ask at this address instead, such as that of the emulator")
	cmd.MarkFlagsMutuallyExclusive("ready", "url")
	cfg.Bind(cmd.Flags(), sectionOps)
	return cmd
}

// nearby returns the address at which this machine reaches a listener on all addresses.
func nearby(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || (ip != nil && ip.IsUnspecified())) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// healthy returns nil if the address answers 200.
func healthy(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return run.Usage(fmt.Errorf("--url: %w", err))
	}
	transport := &http.Transport{DisableKeepAlives: true} // never through a proxy
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s does not answer within %v", address, healthTimeout)
		}
		return fmt.Errorf("not healthy: %w", err)
	}
	defer answer.Body.Close()
	const maxBody = 4 << 10
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: %s answers %s: %s", address, answer.Status, strings.TrimSpace(string(said)))
	}
	return nil
}
