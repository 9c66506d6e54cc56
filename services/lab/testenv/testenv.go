// Package testenv starts the real servers that integration tests need and stops
// them again: PostgreSQL, NATS with JetStream, Redis, and a network link that
// can be cut. What isn't installed is got; where that is impossible, the test
// fails and says what to install. Every server runs on the loopback interface
// or a socket, belongs to one test binary and dies with it, even on SIGKILL, so
// any number of binaries may run at once.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
package testenv

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait for a server; only a broken one takes so long.
const patience = 60 * time.Second

// Main runs the tests of a package, then stops what they shared, checks that no
// goroutine is left, and exits.
func Main(m *testing.M, options ...goleak.Option) {
	cluster.mainRuns = true
	goleak.VerifyTestMain(stopping{m}, options...)
}

// stopping stops the shared servers before goleak looks at the goroutines.
type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	code := s.m.Run()
	if err := cluster.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		return max(code, 1)
	}
	return code
}
