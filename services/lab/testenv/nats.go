package testenv

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/natsd"
)

// NATS returns the URL of a new NATS server with JetStream, the test's own. It
// stops when the test ends.
func NATS(t testing.TB) string {
	t.Helper()
	return NATSServer(t).URL()
}

// BusServer is a NATS server that a test stops and starts again.
type BusServer struct {
	t      testing.TB
	cfg    natsd.Config
	server *natsd.Server
	url    string
}

// NATSServer starts a NATS server of the test's own.
func NATSServer(t testing.TB) *BusServer {
	t.Helper()
	b := &BusServer{t: t, cfg: natsd.Config{DataDir: Folder(t), Port: -1, Log: Logger(t)}}
	b.Start()
	t.Cleanup(b.Stop)
	return b
}

// URL is the server's address. It stays the same over restarts.
func (b *BusServer) URL() string { return b.url }

// Stop stops the server and keeps its streams. It may be stopped already.
func (b *BusServer) Stop() {
	b.t.Helper()
	if err := b.server.Stop(); err != nil {
		b.t.Errorf("stop NATS: %v", err)
	}
}

// Start starts the server again after Stop, on the same port and streams.
func (b *BusServer) Start() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), patience)
	defer cancel()
	server, err := natsd.Start(ctx, b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.server, b.url = server, server.URL()
	if b.cfg.Port, err = portOf(b.url); err != nil {
		b.t.Fatal(err)
	}
}

// Wipe removes all streams and consumers, as if the bus had lost its disk. The
// server must be stopped.
func (b *BusServer) Wipe() {
	b.t.Helper()
	if err := os.RemoveAll(filepath.Join(b.cfg.DataDir, "jetstream")); err != nil {
		b.t.Fatal(err)
	}
}

func portOf(address string) (int, error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Port())
}
