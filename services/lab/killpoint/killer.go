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

// LastWords starts the line that a process prints before it kills itself; the point follows.
const LastWords = "dies "

// Killer kills this process when it reaches a point for the nth time.
type Killer struct {
	Point string // empty for never
	Nth   int64
	Out   io.Writer // for its last words

	came atomic.Int64
}

// At must be called at each point.
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

// Around calls At before a step; the returned function calls it after the step.
func (k *Killer) Around(step string) (after func()) {
	k.At("before " + step)
	return func() { k.At("after " + step) }
}

// Tracer returns a tracer that calls At around the steps of each statement. Steps names the steps
// of a statement; nil uses the statement's name.
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
		// A statement that changed no row has no effect. A commit counts the rows that it claims
		// next, and a wait the rows of the bot's other chats.
		if q.CommandTag.RowsAffected() > 0 || step == "wait" || strings.HasPrefix(step, commit) {
			k.At("after " + step)
		}
	}
}

// Dialer calls At around each write to the bus that contains the given bytes.
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
