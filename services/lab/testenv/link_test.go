package testenv_test

import (
	"bufio"
	"context"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// echo starts a server that answers every line with itself.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					_, _ = conn.Write([]byte(lines.Text() + "\n"))
				}
			}()
		}
	}()
	return listener.Addr().String()
}

type conversation struct {
	net.Conn
	lines *bufio.Reader
}

func connect(addr string) (conversation, error) {
	conn, err := net.Dial("tcp", addr)
	return conversation{Conn: conn, lines: bufio.NewReader(conn)}, err
}

func dial(t *testing.T, addr string) conversation {
	t.Helper()
	c, err := connect(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// say reports whether the line came back in time.
func (c conversation) say(line string, within time.Duration) bool {
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		return false
	}
	return c.hear(line, within)
}

func (c conversation) hear(line string, within time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(within))
	got, err := c.lines.ReadString('\n')
	return err == nil && got == line+"\n"
}

const long, short = 10 * time.Second, 50 * time.Millisecond

func TestCutAndRestore(t *testing.T) {
	link := testenv.Proxy(t, echo(t))
	c := dial(t, link.Addr())
	if !c.say("one", long) {
		t.Fatal("an open link passes nothing")
	}
	link.Cut()
	if c.say("two", long) {
		t.Error("a cut link passes data")
	}
	if fresh, err := connect(link.Addr()); err == nil {
		t.Cleanup(func() { fresh.Close() })
		if fresh.say("three", long) {
			t.Error("a cut link takes new connections")
		}
	}
	link.Restore()
	if !dial(t, link.Addr()).say("four", long) {
		t.Error("a restored link passes nothing")
	}
}

func TestFreezeHoldsBackAndRestorePassesOn(t *testing.T) {
	link := testenv.Proxy(t, echo(t))
	c := dial(t, link.Addr())
	link.Freeze()
	fresh := dial(t, link.Addr())
	if c.say("one", short) || fresh.say("two", short) {
		t.Error("a frozen link passes data")
	}
	link.Restore()
	if !c.hear("one", long) || !fresh.hear("two", long) {
		t.Error("what came while the link was frozen is lost")
	}
}

func TestLatency(t *testing.T) {
	link := testenv.Proxy(t, echo(t))
	c := dial(t, link.Addr())
	link.SetLatency(short)
	began := time.Now()
	if !c.say("one", long) {
		t.Fatal("a slow link passes nothing")
	}
	if took := time.Since(began); took < 2*short {
		t.Errorf("there and back took %s, want at least %s", took, 2*short)
	}
}

func TestLinksToEveryServer(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), testenv.Proxy(t, testenv.EmptyPostgres(t)).URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	nc, err := nats.Connect(testenv.Proxy(t, testenv.NATS(t)).URL())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if err := client(t, testenv.Proxy(t, testenv.Redis(t)).URL()).Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}
