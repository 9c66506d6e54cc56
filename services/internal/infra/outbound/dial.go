// Package outbound opens connections on which nothing leaves after a call was given
// up.
//
// The kernel goes on for many minutes to deliver what a socket held when it was
// closed, or when its process was killed. Where packets were lost for a while, a call
// would so arrive long after its outcome was called unknown, behind calls that were
// made later.
package outbound

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"time"
)

const keepAlive = 15 * time.Second

// Dialer opens TCP connections.
type Dialer struct {
	// Connect bounds how long a connection may take.
	Connect time.Duration
	// Unacknowledged is how long the other side's kernel may leave data without an
	// acknowledgement. Then the connection ends, and what it held is dropped, also
	// while this process stands still. 0 is for the system's own time, which is many
	// minutes. It is obeyed on Linux.
	Unacknowledged time.Duration
}

// DialContext opens a connection. When it is closed, or its process ends, in whatever
// way, what the kernel has not sent by then is dropped.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: d.Connect, KeepAlive: keepAlive, Control: func(_, _ string, raw syscall.RawConn) error {
		return giveUpAfter(raw, d.Unacknowledged)
	}}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	// With a linger of 0 a connection ends with a reset, and not by and by. Who gets
	// that has been answered, or its answer is no longer waited for.
	if tcp, is := conn.(*net.TCPConn); is {
		if err := tcp.SetLinger(0); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("set up a connection: %w", err)
		}
	}
	return conn, nil
}
