package ops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// stopTimeout is the time for responses under way when the server stops.
const stopTimeout = 2 * time.Second

// Server serves the port. Its methods are safe for concurrent use.
type Server struct {
	cfg       Config
	listener  net.Listener
	http      *http.Server
	router    chi.Router
	readiness *readiness
}

// Open opens the port, so that an address in use is reported before anything else starts.
// Run must be called to serve it.
func Open(ctx context.Context, cfg Config, metrics prometheus.Gatherer, log *zap.Logger, checks ...Check) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	failures, err := zap.NewStdLogAt(log, zap.WarnLevel)
	if err != nil {
		return nil, fmt.Errorf("log of the operators' server: %w", err)
	}
	listener, err := Listen(ctx, cfg.Listen, "ops.listen")
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, listener: listener, readiness: newReadiness(ctx, log, checks)}
	s.http = &http.Server{
		Handler:           s.handler(metrics, log),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      90 * time.Second, // a profile takes 30 s
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          failures,
	}
	return s, nil
}

// Addr returns the address, with the actual port for port 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until the context ends, and closes the port.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	var err error
	select {
	case err = <-served:
		_ = s.http.Close() // what broke is in err
	case <-ctx.Done():
		err = s.stop(ctx)
		<-served //nolint:errcheck // that it was closed
	}
	s.readiness.close()
	if err != nil {
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	}
	return nil
}

// stop waits briefly for responses under way, and then ends them.
func (s *Server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	return err
}

// Listen opens a TCP port. Its errors name the address and the option that sets it, such as
// ops.listen.
func Listen(ctx context.Context, address, option string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		return listener, nil
	}
	reason := err.Error()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		reason = "is in use by another program"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		reason = "is no address of this machine"
	case errors.Is(err, syscall.EACCES):
		reason = "needs rights that this user does not have"
	}
	return nil, &listenError{
		text: fmt.Sprintf("%s: %s %s, set another with --%s", option, address, reason, strings.ReplaceAll(option, "_", "-")),
		err:  err,
	}
}

// listenError adds a message for the user to an error.
type listenError struct {
	text string
	err  error
}

func (e *listenError) Error() string { return e.text }
func (e *listenError) Unwrap() error { return e.err }
