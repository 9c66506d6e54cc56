package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Link is a TCP connection to a server that a test cuts, freezes and slows
// down. Its methods are safe for concurrent use.
type Link struct {
	target   *url.URL
	network  string
	address  string
	listener net.Listener
	done     context.CancelFunc
	wg       sync.WaitGroup

	mu    sync.Mutex
	state linkState
	delay time.Duration
	moved chan struct{} // closed and renewed when the state changes
	conns map[net.Conn]struct{}
}

type linkState int

const (
	linkOpen linkState = iota
	linkCut
	linkFrozen
)

// Proxy puts a link before a server. The target is a URL (of any scheme; of
// PostgreSQL also one with a socket's folder) or host:port.
func Proxy(t testing.TB, target string) *Link {
	t.Helper()
	l, err := newLink(t.Context(), target)
	if err != nil {
		t.Fatalf("proxy to %s: %v", target, err)
	}
	t.Cleanup(l.close)
	return l
}

func newLink(ctx context.Context, target string) (*Link, error) {
	if !strings.Contains(target, "://") {
		target = "tcp://" + target
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	l := &Link{target: u, moved: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	l.network, l.address = "tcp", u.Host
	if dir := u.Query().Get("host"); u.Host == "" && strings.HasPrefix(dir, "/") {
		l.network, l.address = "unix", filepath.Join(dir, ".s.PGSQL."+u.Query().Get("port"))
	}
	var config net.ListenConfig
	if l.listener, err = config.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	ctx, l.done = context.WithCancel(context.WithoutCancel(ctx))
	l.wg.Go(func() { l.accept(ctx) })
	return l, nil
}

// Addr is the link's own host:port.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// URL is the target's URL by way of the link.
func (l *Link) URL() string {
	u := *l.target
	u.Host = l.Addr()
	if l.network == "unix" {
		query := u.Query()
		query.Del("host")
		query.Del("port")
		u.RawQuery = query.Encode()
	}
	return u.String()
}

// Cut closes all connections and refuses new ones, as if the server were down.
func (l *Link) Cut() {
	l.set(linkCut)
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		reset(conn)
	}
}

// Freeze keeps all connections, accepts new ones and passes nothing on, as if
// the network swallowed every packet. Restore passes on what came meanwhile.
func (l *Link) Freeze() { l.set(linkFrozen) }

// Restore ends Cut and Freeze.
func (l *Link) Restore() { l.set(linkOpen) }

// SetLatency makes each piece of data later, in both directions.
func (l *Link) SetLatency(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

func (l *Link) set(state linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	close(l.moved)
	l.moved = make(chan struct{})
}

func (l *Link) close() {
	l.listener.Close()
	l.done()
	l.Cut()
	l.wg.Wait()
}

func (l *Link) accept(ctx context.Context) {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		l.wg.Go(func() { l.serve(ctx, conn) })
	}
}

func (l *Link) serve(ctx context.Context, client net.Conn) {
	if !l.add(client) {
		return
	}
	defer l.remove(client)
	// A frozen network doesn't get as far as the server.
	if err := l.await(ctx, 0); err != nil {
		return
	}
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, l.network, l.address)
	if err != nil {
		reset(client)
		return
	}
	if !l.add(server) {
		return
	}
	defer l.remove(server)
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(ctx, server, client) })
	pumps.Go(func() { l.pump(ctx, client, server) })
	pumps.Wait()
}

// add registers a connection, or closes it if the link is cut.
func (l *Link) add(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == linkCut {
		reset(conn)
		return false
	}
	l.conns[conn] = struct{}{}
	return true
}

func (l *Link) remove(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
	conn.Close()
}

// pump copies until one side closes, then tells the other side.
func (l *Link) pump(ctx context.Context, to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && l.pass(ctx, to, buf[:n]) != nil {
			from.Close()
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			closeWrite(to)
			return
		case err != nil:
			to.Close()
			return
		}
	}
}

func (l *Link) pass(ctx context.Context, to net.Conn, data []byte) error {
	l.mu.Lock()
	delay := l.delay
	l.mu.Unlock()
	if err := l.await(ctx, delay); err != nil {
		return err
	}
	_, err := to.Write(data)
	return err
}

// await waits for the delay, and for as long as the link is frozen.
func (l *Link) await(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		l.mu.Lock()
		state, moved := l.state, l.moved
		l.mu.Unlock()
		switch state {
		case linkOpen:
			return nil
		case linkCut:
			return fmt.Errorf("the link is cut: %w", net.ErrClosed)
		case linkFrozen:
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reset closes with a TCP reset, as a host that went down does.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

func closeWrite(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		conn.Close()
	}
}
