package sender_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// The steps on the way of a delivery that have an effect outside of the sender.
const (
	stepClaim    = "claim deliveries"
	stepPause    = "pause"
	stepBegin    = "begin"
	stepSend     = "send"
	stepReact    = "react"
	stepCommit   = "commit deliveries"
	stepDefer    = "defer delivery"
	stepTakeOver = "take deliveries over"
	stepWait     = "wait"
	stepSuspend  = "suspend a bot"
	stepAck      = "acknowledge a ring"
)

// killPoints are all points at which a sender is killed: before and after each step.
func killPoints() (all []string) {
	for _, step := range []string{
		stepClaim, stepPause, stepBegin, stepSend, stepReact, stepCommit, stepDefer, stepTakeOver, stepWait, stepSuspend, stepAck,
	} {
		all = append(all, "before "+step, "after "+step)
	}
	return all
}

// lastWords is what a replica says before it kills itself, followed by where.
const lastWords = "dies "

// killer kills this process when it has come to a point for the nth time.
type killer struct {
	point string // empty for never
	nth   int64
	came  atomic.Int64
	out   io.Writer
}

func (k *killer) at(point string) {
	if point != k.point || k.came.Add(1) != k.nth {
		return
	}
	fmt.Fprintln(k.out, lastWords+point)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

// killerTracer comes to points with statements that have a name.
type killerTracer struct{ *killer }

var _ pgx.QueryTracer = killerTracer{}

type stepsKey struct{}

func (k killerTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	steps := stepsOf(q)
	for _, step := range steps {
		k.at("before " + step)
	}
	return context.WithValue(ctx, stepsKey{}, steps)
}

func (k killerTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	steps, _ := ctx.Value(stepsKey{}).([]string)
	for _, step := range steps {
		// Else nothing has changed; a wait counts the rows of the bot's other chats.
		if q.CommandTag.RowsAffected() > 0 || step == stepWait {
			k.at("after " + step)
		}
	}
}

// stepsOf are the steps that a statement makes: its name, or what it does to each row.
func stepsOf(q pgx.TraceQueryStartData) []string {
	name, named := strings.CutPrefix(q.SQL, "-- ")
	name, _, _ = strings.Cut(name, "\n")
	if !named || name != "step deliveries" {
		return []string{name}
	}
	var steps []string
	for _, arg := range q.Args {
		states, _ := arg.([]string)
		if slices.Contains(states, "claimed") {
			steps = append(steps, stepPause)
		}
		if slices.Contains(states, "sending") {
			steps = append(steps, stepBegin)
		}
	}
	return steps
}

// calls is middleware that comes to points with the calls to Telegram.
func (k *killer) calls(next telegram.Invoke) telegram.Invoke {
	return func(ctx context.Context, call *telegram.Call) telegram.Outcome {
		if step, known := map[string]string{"sendMessage": stepSend, "setMessageReaction": stepReact}[call.Method]; known {
			k.at("before " + step)
			defer k.at("after " + step)
		}
		return next(ctx, call)
	}
}

// killerDialer comes to points with the acknowledgements.
func killerDialer(k *killer) nats.Option { return nats.SetCustomDialer(dialer{k}) }

type dialer struct{ *killer }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 3 * time.Second}).Dial(network, address)
	return killerConn{conn, d.killer}, err
}

type killerConn struct {
	net.Conn
	*killer
}

func (c killerConn) Write(p []byte) (int, error) {
	if !bytes.Contains(p, []byte("+ACK")) {
		return c.Conn.Write(p)
	}
	c.at("before " + stepAck)
	defer c.at("after " + stepAck)
	return c.Conn.Write(p)
}
