package outbound_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/outbound"
)

// The socket's options are set before anything is sent, so they also apply if the process
// is killed or stopped.
func TestTheKernelKnows(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := outbound.Dialer{Connect: time.Second, Unacknowledged: 7 * time.Second}.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn() //nolint:forcetypeassert // it is one
	if err != nil {
		t.Fatal(err)
	}
	const tcpUserTimeout = 18
	var millis, linger int
	var failed error
	err = raw.Control(func(fd uintptr) {
		if millis, failed = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout); failed == nil {
			// GetsockoptInt returns the first half of the struct, which says whether
			// lingering is on.
			linger, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER)
		}
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if millis != 7000 || linger != 1 {
		t.Errorf("unacknowledged data is kept for %d ms, and linger is %d; want 7000 and 1", millis, linger)
	}
}
