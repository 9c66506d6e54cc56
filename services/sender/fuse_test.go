package sender_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/sender"
)

// lastWords is what a replica says before it kills itself, followed by where.
const lastWords = "dies "

// fuse kills this process at a step of the way of a delivery: before or after
// any statement, any call and any acknowledgement.
type fuse struct {
	length int64 // 0 never burns down
	burnt  atomic.Int64
	out    io.Writer
}

func (f *fuse) step(place string) {
	if f.length == 0 || f.burnt.Add(1) != f.length {
		return
	}
	fmt.Fprintln(f.out, lastWords+place)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

// fusedStatements burns with the statements about deliveries.
type fusedStatements struct{ *fuse }

var _ pgx.QueryTracer = fusedStatements{}

type statementKey struct{}

func (f fusedStatements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	name := statementName(q.SQL)
	if name == "" {
		return ctx
	}
	f.step("before " + name)
	return context.WithValue(ctx, statementKey{}, name)
}

func (f fusedStatements) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if name, ok := ctx.Value(statementKey{}).(string); ok {
		f.step("after " + name)
	}
}

// statementName is what a statement does; empty if it is about no delivery.
func statementName(sql string) string {
	for _, s := range []struct{ name, part string }{
		{"looking up", "JOIN bots b ON b.id = u.bot_id"},
		{"claiming", "SET state = 'sending'"},
		{"taking over", "SET owner = $4, claimed_at = now()"},
		{"finishing", "UPDATE deliveries d SET state = 'closed'"},
		{"releasing", "SET state = 'pending', owner = NULL\n"},
		{"falling back", "step = 'fallback'"},
		{"parking", "SET not_before = $3"},
		{"marking the receipts", "UPDATE receipts r SET published_at"},
	} {
		if strings.Contains(sql, s.part) {
			return s.name
		}
	}
	return ""
}

// fusedCalls burns with the calls to Telegram.
type fusedCalls struct {
	sender.Caller
	*fuse
}

func (f fusedCalls) SendMessage(ctx context.Context, token secret.String, m telegram.Message) telegram.Outcome {
	f.step("before sending")
	defer f.step("after sending")
	return f.Caller.SendMessage(ctx, token, m)
}

func (f fusedCalls) SetReaction(ctx context.Context, token secret.String, r telegram.Reaction) telegram.Outcome {
	f.step("before reacting")
	defer f.step("after reacting")
	return f.Caller.SetReaction(ctx, token, r)
}

// fusedDialer burns with the acknowledgements.
func fusedDialer(f *fuse) nats.Option { return nats.SetCustomDialer(dialer{f}) }

type dialer struct{ *fuse }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 3 * time.Second}).Dial(network, address)
	return fusedConn{conn, d.fuse}, err
}

type fusedConn struct {
	net.Conn
	*fuse
}

func (c fusedConn) Write(p []byte) (int, error) {
	if !bytes.Contains(p, []byte("+ACK")) {
		return c.Conn.Write(p)
	}
	c.step("before acknowledging")
	defer c.step("after acknowledging")
	return c.Conn.Write(p)
}
