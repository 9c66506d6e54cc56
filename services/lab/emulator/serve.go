package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// grace limits the shutdown of the calls under way. Waiting calls are ended at once, so the
	// time is only for writing answers.
	grace = time.Second
)

// InUseError reports that another program uses the address.
type InUseError struct{ Address string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("listen: %s is in use by another program; choose another port, or 0 for a free one", e.Address)
}

// Listen opens the port. Run does it where it wasn't done before. The error is
// an *InUseError where another program has the port.
func (e *Emulator) Listen() error {
	e.listening.Lock()
	defer e.listening.Unlock()
	if e.listener != nil {
		return nil
	}
	listener, err := bind(e.cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		listener, err = e.listenElsewhere()
	}
	if err != nil {
		return err
	}
	e.listener = listener
	return nil
}

func (e *Emulator) listenElsewhere() (net.Listener, error) {
	host, _, err := net.SplitHostPort(e.cfg.Listen)
	if err != nil || !e.cfg.AnyPort {
		return nil, &InUseError{Address: e.cfg.Listen}
	}
	return bind(net.JoinHostPort(host, "0"))
}

func bind(address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address) // it waits for nothing
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

// URL returns where the emulator is reached, without a slash at the end; empty
// before Listen.
func (e *Emulator) URL() string {
	e.listening.Lock()
	defer e.listening.Unlock()
	if e.listener == nil {
		return ""
	}
	address, ok := e.listener.Addr().(*net.TCPAddr)
	if ok && address.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", address.Port)
	}
	return "http://" + e.listener.Addr().String()
}

// Run serves until ctx ends, and then closes the emulator within two seconds,
// whatever hangs. It returns nil then. It runs once.
func (e *Emulator) Run(ctx context.Context) error {
	if err := e.Listen(); err != nil {
		return errors.Join(err, e.Close())
	}
	e.log.Info("emulated Bot API is up", zap.String("url", e.URL()))
	group, ctx := errgroup.WithContext(ctx)
	// The calls' context outlives ctx, so that they hear of the end in order.
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	failures, err := zap.NewStdLogAt(e.log, zap.WarnLevel)
	if err != nil {
		return fmt.Errorf("log of the emulator's server: %w", err)
	}
	server := &http.Server{
		Handler:           e.Handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          failures,
	}
	group.Go(func() error {
		if err := server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the emulator: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		e.keep(ctx)
		return nil
	})
	group.Go(func() error { return e.api.Deliver(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		return e.stop(server, cancel)
	})
	return errors.Join(group.Wait(), e.Close())
}

// stop ends the server: those who wait are told, answers are finished, and what
// is left then is cut.
func (e *Emulator) stop(server *http.Server, hangUp func()) error {
	e.api.Stop()
	hangUp()
	defer e.api.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("stop the emulator: %w", err)
	}
	return nil
}
