package deployment

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/load/sampling"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// Remote is a deployment that somebody runs, with the emulator for Telegram. It is
// safe for concurrent use.
type Remote struct {
	place

	metrics []metricsOf
	token   string
	operate []string
}

// RemoteConfig says where the parts of a deployment are.
type RemoteConfig struct {
	Pool *pgxpool.Pool
	// Emulator is its address.
	Emulator string
	Keys     secret.Keyring
	// Metrics are the services' as SERVICE=URL. A host name with several addresses
	// is as many replicas.
	Metrics []string
	Token   secret.String
	// Operate is a program, with arguments, that is called with a verb (kill, stop,
	// start, pause, resume or scale), a service, and for scale a number. Empty
	// refuses scenarios with actions.
	Operate string
}

type metricsOf struct {
	service string
	url     *url.URL
}

// Connect makes a Remote. It closes the pool with the deployment.
func Connect(cfg RemoteConfig) (*Remote, error) {
	client, err := control.New(cfg.Emulator)
	if err != nil {
		return nil, err
	}
	r := &Remote{place: place{cfg.Pool, client, cfg.Keys}, token: cfg.Token.Reveal(), operate: strings.Fields(cfg.Operate)}
	for _, m := range cfg.Metrics {
		service, address, _ := strings.Cut(m, "=")
		u, err := url.Parse(address)
		if err != nil || service == "" || u.Host == "" {
			return nil, fmt.Errorf("--metrics: %q, want SERVICE=URL, such as sender=http://sender:9464/metrics", m)
		}
		r.metrics = append(r.metrics, metricsOf{service, u})
	}
	return r, nil
}

// Lasts is true: it was there before.
func (r *Remote) Lasts() bool { return true }

// Launch leaves the services as they are: their number is their operator's.
func (r *Remote) Launch(context.Context, map[string]int) error { return nil }

// Close closes the connections.
func (r *Remote) Close() error {
	r.client.Close()
	r.pool.Close()
	return nil
}

// SetLLMFaults refuses faults: the model is not the lab's.
func (r *Remote) SetLLMFaults(_ context.Context, faults []llmapi.Fault) error {
	if len(faults) > 0 {
		return errors.New("the scenario has faults of the model, which only an embedded deployment can have")
	}
	return nil
}

// lookupTimeout bounds finding the replicas.
const lookupTimeout = 2 * time.Second

// Sources are the replicas that the names of the metrics' hosts stand for now.
func (r *Remote) Sources() []sampling.Source {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	var sources []sampling.Source
	for _, m := range r.metrics {
		addresses, err := net.DefaultResolver.LookupHost(ctx, m.url.Hostname())
		if err != nil {
			addresses = []string{m.url.Hostname()} // looking there will fail, and be counted
		}
		for _, address := range addresses {
			at := *m.url
			at.Host = address
			if port := m.url.Port(); port != "" {
				at.Host = net.JoinHostPort(address, port)
			}
			sources = append(sources, sampling.Source{
				Service: m.service, Instance: m.service + "@" + at.Host, URL: at.String(), Token: r.token, Chorus: true,
			})
		}
	}
	return sources
}

// operateTimeout bounds one call of the program; stopping a service drains it.
const operateTimeout = 2 * time.Minute

// Operate calls the program.
func (r *Remote) Operate(ctx context.Context, verb scenario.Verb, service string, n int) (string, error) {
	if len(r.operate) == 0 {
		return "", errors.New("--operate: is empty, want the program that does this, because the scenario has actions")
	}
	ctx, cancel := context.WithTimeout(ctx, operateTimeout)
	defer cancel()
	args := append(slices.Clone(r.operate[1:]), string(verb), service)
	if verb == scenario.Scale {
		args = append(args, strconv.Itoa(n))
	}
	if out, err := exec.CommandContext(ctx, r.operate[0], args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", r.operate[0], strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return service, nil
}

// Revive leaves that to who runs the services.
func (r *Remote) Revive(context.Context) ([]string, error) { return nil, nil }
