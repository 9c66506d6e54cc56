package telegramtest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Refusing returns a host and port without a listener.
func Refusing(tb testing.TB) string {
	tb.Helper()
	l := listen(tb)
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	return l.Addr().String()
}

// Deaf returns a host and port that accepts connections and never responds, so that a TLS
// handshake hangs.
func Deaf(tb testing.TB) string {
	tb.Helper()
	return each(tb, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

// Garbled returns a host and port that responds to a TLS handshake with garbage.
func Garbled(tb testing.TB) string {
	tb.Helper()
	return each(tb, func(c net.Conn) {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n")
		}
	})
}

// each serves connections until the test ends.
func each(tb testing.TB, serve func(net.Conn)) string {
	tb.Helper()
	l := listen(tb)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = c.Close() })()
				serve(c)
				_ = c.Close()
			})
		}
	})
	tb.Cleanup(func() {
		stop()
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func listen(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return l
}
