// Package outbound opens connections that send nothing after a call was given up.
//
// After a close, or after the process was killed, the kernel tries for many minutes to
// deliver what a socket has buffered. If packets are lost for a while, a call could arrive
// long after its outcome was recorded as unknown, and after later calls.
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
	// Connect limits the time to connect.
	Connect time.Duration
	// Unacknowledged limits how long sent data may stay unacknowledged. After it the kernel
	// ends the connection and drops its buffer, even while this process is stopped. 0 is
	// the system's default, many minutes. It has an effect on Linux only.
	Unacknowledged time.Duration
}

// DialContext opens a connection. When it is closed, or its process ends in any way, the
// kernel drops what it hasn't sent.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: d.Connect, KeepAlive: keepAlive, Control: func(_, _ string, raw syscall.RawConn) error {
		return giveUpAfter(raw, d.Unacknowledged)
	}}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	// With a linger of 0, closing resets the connection and drops the buffer. The peer of a
	// reset has responded already, or nobody waits for its response.
	if tcp, is := conn.(*net.TCPConn); is {
		if err := tcp.SetLinger(0); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("set up a connection: %w", err)
		}
	}
	return conn, nil
}
