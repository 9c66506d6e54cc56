// Package natsd runs a NATS server with JetStream inside this process: for
// `chorus up` and for tests. It is the real server, so nothing that works here
// works otherwise on a cluster, but for replication.
package natsd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

const (
	readyTimeout = 30 * time.Second // a large store is checked at the start
	stopTimeout  = 10 * time.Second
	lockTimeout  = 20 * time.Second // for a predecessor to let go of the store
	lockPoll     = 20 * time.Millisecond

	maxStore = 4 << 30
)

// Config says where the server keeps its streams and where it listens.
type Config struct {
	// DataDir is made if it doesn't exist and kept when the server stops.
	DataDir string
	// Port 0 opens none: clients connect by InProcess only. -1 is any free one.
	Port int
	// Token is the token that clients must present; empty for none. URL contains it.
	Token string
	// Log gets the server's warnings and errors.
	Log *zap.Logger
}

// Server is a running NATS server. Its methods are safe for concurrent use.
type Server struct {
	nats *server.Server
	log  *logger
	lock *flock.Flock
	url  string

	stop sync.Once
	err  error
}

// Start returns when the server takes connections and JetStream is ready. It
// waits for a predecessor in the same folder that is still shutting down. The
// server runs until Stop, not until ctx is done. It never ends the process.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make NATS' folder: %w", err)
	}
	lock, err := lockFolder(ctx, cfg.DataDir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, log: newLogger(cfg.Log)}
	if err := s.start(cfg); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return s, nil
}

// lockFolder keeps two servers from writing into the same streams, which
// JetStream itself doesn't prevent.
func lockFolder(ctx context.Context, dir string) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock := flock.New(filepath.Join(dir, "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("NATS' folder %s is in use by another process: stop it or choose another folder: %w", dir, err)
		}
		return nil, fmt.Errorf("lock NATS' folder: %w", err)
	}
	return lock, nil
}

func (s *Server) start(cfg Config) error {
	ns, err := server.NewServer(options(cfg))
	if err != nil {
		return fmt.Errorf("configure NATS: %w", err)
	}
	s.nats = ns
	ns.SetLoggerV2(s.log, false, false, false)
	ns.Start()
	if err := s.awaitReady(cfg); err != nil {
		return errors.Join(err, s.shutdown())
	}
	if cfg.Port != 0 {
		s.url = ns.ClientURL()
		if cfg.Token != "" {
			s.url = strings.Replace(s.url, "://", "://"+cfg.Token+"@", 1)
		}
	}
	return nil
}

func options(cfg Config) *server.Options {
	return &server.Options{
		ServerName:        "chorus",
		Host:              "127.0.0.1",
		Port:              cfg.Port,
		DontListen:        cfg.Port == 0,
		Authorization:     cfg.Token,
		NoSigs:            true, // signals are the process' own
		JetStream:         true,
		StoreDir:          cfg.DataDir,
		JetStreamMaxStore: maxStore, // compared with the streams' bounds, not with what is free,
	}
}

func (s *Server) awaitReady(cfg Config) error {
	// ReadyForConnections doesn't notice a start that has failed for good.
	const step = 50 * time.Millisecond
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); {
		select {
		case reason := <-s.log.fatal:
			return fmt.Errorf("start NATS in %s: %s", cfg.DataDir, reason)
		default:
		}
		if s.nats.ReadyForConnections(step) && s.nats.JetStreamEnabled() {
			return nil
		}
	}
	return fmt.Errorf("start NATS in %s: it is not ready after %s", cfg.DataDir, readyTimeout)
}

// URL returns where clients connect, empty if the server opens no port.
func (s *Server) URL() string { return s.url }

// InProcess makes nats.Connect reach this server without a port. Its URL is then ignored.
func (s *Server) InProcess() nats.Option { return nats.InProcessServer(s.nats) }

// Stop closes all connections and the streams' files. It returns when that is
// done or after 10 s, and the same every time.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		s.err = errors.Join(s.shutdown(), s.lock.Unlock())
	})
	return s.err
}

func (s *Server) shutdown() error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	}()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return fmt.Errorf("NATS doesn't stop within %s", stopTimeout)
	}
}
