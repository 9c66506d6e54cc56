// Package bus publishes and receives rings over NATS JetStream. A ring tells the workers of
// a stage which chats have rows to work on.
//
// Rings are delivered at least once, unless they are lost. The rows in the database alone
// decide what is done, in which order and by whom.
package bus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/startup"
)

// Config holds the bus' address and the limits of its streams.
type Config struct {
	URL            string        `config:"url" doc:"NATS servers, separated by commas; empty in chorus up for an embedded one" secret:"true"`
	Credentials    string        `config:"credentials" doc:"file with NATS credentials (.creds)"`
	ConnectTimeout time.Duration `config:"connect_timeout" min:"1s" max:"10m" doc:"how long a service waits for the bus when it starts"`
	Replicas       int           `config:"replicas" min:"1" max:"5" doc:"replicas of each stream; 3 in production, on a cluster of at least 3"`
	// MaxBytes has a minimum that a single burst doesn't fill.
	MaxBytes int64 `config:"max_bytes" min:"1048576" max:"1099511627776" doc:"bytes that each of the three streams takes on the disk at most; NATS reserves them"`
}

// DefaultConfig returns the settings for a single server on this machine.
func DefaultConfig() Config {
	return Config{
		ConnectTimeout: 30 * time.Second,
		Replicas:       1,
		MaxBytes:       64 << 20,
	}
}

// Validate returns all mistakes, joined.
func (c Config) Validate() error {
	var errs []error
	for u := range strings.SplitSeq(c.URL, ",") {
		if p, err := url.Parse(strings.TrimSpace(u)); c.URL != "" && (err != nil || p.Host == "" || !slices.Contains(schemes(), p.Scheme)) {
			errs = append(errs, errors.New("url: want nats://HOST:PORT or tls://HOST:PORT, several separated by commas"))
		}
	}
	return errors.Join(append(errs, config.Check(c))...)
}

// schemes returns the URL schemes that the NATS client supports.
func schemes() []string { return []string{"nats", "tls", "ws", "wss"} }

// Bus is a connection to NATS. It reconnects for ever. It is safe for concurrent use.
type Bus struct {
	cfg Config
	nc  *nats.Conn
	js  jetstream.JetStream
	log *zap.Logger
	// outages logs the connection's outages.
	outages *outage.Log
	// timed receives the server's time; nil for none.
	timed func(time.Time)
	// restored signals, without blocking, that a lost connection is back or that missing
	// streams were created again.
	restored chan struct{}
	repairs  repairs
}

// Connect dials NATS and checks that the server can do what Chorus needs. It gives up after
// cfg.ConnectTimeout. A connection that is lost later is dialled again for ever. Options
// are for in-process connections.
func Connect(ctx context.Context, cfg Config, log *zap.Logger, name string, opts ...nats.Option) (*Bus, error) {
	b := &Bus{cfg: cfg, log: log, restored: make(chan struct{}, 1)}
	b.outages = outage.New(log, "the bus is lost: nothing is published or read", "the bus is back")
	// The client reports every message of a slow consumer and every call on a lost
	// connection. The sampler logs each text once a minute.
	sampled := log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, time.Minute, 1, 0)
	}))
	opts = append([]nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond),
		nats.Timeout(3 * time.Second),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		// A buffer gains nothing: the sweep finds the rows of lost rings.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.outages.Note(err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			b.outages.Note(nil)
			b.announce()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if err == nil || Passes(err) {
				return // the disconnect handler logs this
			}
			of := zap.Skip()
			if sub != nil {
				of = zap.String("subject", sub.Subject)
			}
			sampled.Warn("NATS client: "+err.Error(), of)
		}),
	}, opts...)
	if cfg.Credentials != "" {
		opts = append(opts, nats.UserCredentials(cfg.Credentials))
	}
	nc, err := dial(ctx, cfg, opts)
	if err != nil {
		return nil, err
	}
	b.nc = nc
	// A publish without an acknowledgement stops counting as pending after 5 s. Otherwise a
	// server that doesn't answer would block publishers.
	if b.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096), jetstream.WithPublishAsyncTimeout(5*time.Second)); err != nil {
		nc.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	if err := b.retryAtStart(ctx, b.capable); err != nil {
		nc.Close()
		return nil, err
	}
	return b, nil
}

// retryAtStart runs a step of the start until it succeeds, for at most ConnectTimeout.
func (b *Bus) retryAtStart(ctx context.Context, step func(context.Context) error) error {
	return startup.Wait(ctx, b.cfg.ConnectTimeout, Passes, step)
}

// dial retries until the first connection is made or ConnectTimeout is over.
func dial(ctx context.Context, cfg Config, opts []nats.Option) (*nats.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	for {
		nc, err := nats.Connect(cfg.URL, opts...)
		if err == nil {
			return nc, nil
		}
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			return nil, fmt.Errorf("nats.url: the server at %s refuses these credentials", redact(cfg.URL))
		}
		retry := time.NewTimer(500 * time.Millisecond)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return nil, fmt.Errorf("nats.url: no server answers at %s within %v (%w)", redact(cfg.URL), cfg.ConnectTimeout, err)
		}
	}
}

// redact replaces passwords and tokens in a list of server addresses. NATS takes a user
// without a password for a token.
func redact(servers string) string {
	list := strings.Split(servers, ",")
	for i, s := range list {
		if u, err := url.Parse(strings.TrimSpace(s)); err == nil {
			if _, has := u.User.Password(); u.User != nil && !has {
				u.User = url.User("xxxxx")
			}
			list[i] = u.Redacted()
		}
	}
	return strings.Join(list, ",")
}

// The oldest server version that Chorus is tested with.
const minMajor, minMinor = 2, 10

func (b *Bus) capable(ctx context.Context) error {
	version := b.nc.ConnectedServerVersion()
	if !atLeast(version, minMajor, minMinor) {
		return fmt.Errorf("nats.url: the server is version %s, Chorus needs %d.%d or newer", version, minMajor, minMinor)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := b.js.AccountInfo(ctx); err != nil {
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) || errors.Is(err, nats.ErrNoResponders) {
			return errors.New("nats.url: the server runs without JetStream: start it with -js, or enable it for this account")
		}
		return fmt.Errorf("ask the bus about JetStream: %w", err)
	}
	return nil
}

func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return false
	}
	ma, errMajor := strconv.Atoi(parts[0])
	mi, errMinor := strconv.Atoi(parts[1])
	return errMajor == nil && errMinor == nil && (ma > major || ma == major && mi >= minor)
}

// Restored returns a channel that signals a connection that is back, or missing streams
// that were created again. Rings published before may be lost. There may be one reader at a
// time.
func (b *Bus) Restored() <-chan struct{} { return b.restored }

func (b *Bus) announce() {
	select {
	case b.restored <- struct{}{}:
	default:
	}
}

// Ready returns an error while the connection is down.
func (b *Bus) Ready(context.Context) error {
	if !b.nc.IsConnected() {
		return fmt.Errorf("bus: %s", strings.ToLower(b.nc.Status().String()))
	}
	return nil
}

// Close closes the connection. Consumers must have ended.
func (b *Bus) Close() { b.nc.Close() }
