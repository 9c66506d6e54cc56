package testenv

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/debian"
	"github.com/chorus-cast/chorus/services/lab/natsd"
	"github.com/chorus-cast/chorus/services/lab/redisd"
)

// Redis returns the URL of a new, empty Redis server, the test's own. It stops
// when the test ends.
func Redis(t testing.TB) string {
	t.Helper()
	return RedisServer(t).URL()
}

// Cache is a Redis server that a test kills, freezes and starts again. It keeps
// nothing over a restart.
type Cache struct {
	t      testing.TB
	server *redisd.Server
}

// RedisServer starts a Redis server of the test's own. Options are arguments of
// redis-server, such as --cluster-enabled yes.
func RedisServer(t testing.TB, options ...string) *Cache {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), debian.Patience)
	defer cancel()
	program, err := redisd.Ensure(ctx)
	if err != nil {
		t.Fatalf("this test needs Redis: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := redisd.Start(ctx, program, options...)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cache{t: t, server: server}
	t.Cleanup(c.Kill)
	return c
}

// URL is the server's address. It stays the same over restarts.
func (c *Cache) URL() string { return c.server.URL() }

// Kill ends the server at once and returns when it has ended.
func (c *Cache) Kill() {
	c.t.Helper()
	c.must(c.server.Kill())
}

// Pause freezes the server: it accepts connections and answers nothing.
func (c *Cache) Pause() {
	c.t.Helper()
	c.must(c.server.Pause())
}

// Resume lets a paused server go on.
func (c *Cache) Resume() {
	c.t.Helper()
	c.must(c.server.Resume())
}

// Restart ends the server if it runs, and starts an empty one on the same port.
func (c *Cache) Restart() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), patience)
	defer cancel()
	c.must(c.server.Restart(ctx))
}

func (c *Cache) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

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
