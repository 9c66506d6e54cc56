package killpoint

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
)

// LastWords begin the line that a process says before it kills itself, followed by where.
const LastWords = "dies "

// Killer kills this process when it has come to a point for the nth time.
type Killer struct {
	Point string // empty for never
	Nth   int64
	Out   io.Writer // for its last words

	came atomic.Int64
}

// At is called at each point.
func (k *Killer) At(point string) {
	if point != k.Point || k.came.Add(1) != k.Nth {
		return
	}
	fmt.Fprintln(k.Out, LastWords+point)
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {} // the signal is on its way
}

// Around comes to the points before and after a step.
func (k *Killer) Around(step string) (after func()) {
	k.At("before " + step)
	return func() { k.At("after " + step) }
}

// Tracer comes to points with statements. Steps tells those that a statement makes; nil is
// its name.
func (k *Killer) Tracer(steps func(pgx.TraceQueryStartData) []string) pgx.QueryTracer {
	if steps == nil {
		steps = func(q pgx.TraceQueryStartData) []string { return []string{Name(q.SQL)} }
	}
	return killerTracer{k, steps}
}

type killerTracer struct {
	*Killer

	steps func(pgx.TraceQueryStartData) []string
}

type stepsKey struct{}

func (k killerTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	steps := k.steps(q)
	for _, step := range steps {
		k.At("before " + step)
	}
	return context.WithValue(ctx, stepsKey{}, steps)
}

func (k killerTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	steps, _ := ctx.Value(stepsKey{}).([]string)
	for _, step := range steps {
		// Else nothing has changed. A commit counts the rows that it claims next, and a wait
		// those of the bot's other chats.
		if q.CommandTag.RowsAffected() > 0 || step == "wait" || strings.HasPrefix(step, commit) {
			k.At("after " + step)
		}
	}
}

// Dialer comes to a step with what is written to the bus and has some bytes in it.
func (k *Killer) Dialer(step string, has string) nats.Option {
	return nats.SetCustomDialer(dialer{k, step, []byte(has)})
}

type dialer struct {
	*Killer

	step string
	has  []byte
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 3 * time.Second}).Dial(network, address)
	return &killerConn{conn, d}, err
}

type killerConn struct {
	net.Conn

	dialer dialer
}

func (c *killerConn) Write(p []byte) (int, error) {
	if bytes.Contains(p, c.dialer.has) {
		defer c.dialer.Around(c.dialer.step)()
	}
	return c.Conn.Write(p)
}
