package bus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// limited starts a server whose only account has these limits, and returns its address.
func limited(t *testing.T, limits string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("jetstream {store_dir: %q}\naccounts {A {users: [{user: a, password: secret-of-tests}], jetstream: {%s}}}\n", dir, limits)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", -1, true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("NATS does not start")
	}
	return strings.Replace(s.ClientURL(), "nats://", "nats://a:secret-of-tests@", 1)
}

func TestAccountsWithLimits(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for name, test := range map[string]struct {
		limits string
		change func(*bus.Config)
		want   string // part of the error; empty for none
	}{
		"max_bytes is required":      {"max_file: 5GB, max_bytes_required: true", nil, ""},
		"just enough":                {"max_file: 30MB, max_streams: 3, max_consumers: 5, max_bytes_required: true", func(c *bus.Config) { c.MaxBytes = 10 * mb }, ""},
		"too little disk":            {"max_file: 20MB", func(c *bus.Config) { c.MaxBytes = 10 * mb }, "nats.max_bytes lower"},
		"too few streams":            {"max_file: 5GB, max_streams: 2", nil, "3 streams (max_streams)"},
		"too few consumers":          {"max_file: 5GB, max_consumers: 1", nil, "5 consumers (max_consumers)"},
		"streams are to be small":    {"max_file: 5GB, disk_max_stream_bytes: 1MB", nil, "set nats.max_bytes to what the account allows"},
		"few rings may be pending":   {"max_file: 5GB, max_ack_pending: 5", nil, "max_ack_pending"},
		"one server, three replicas": {"max_file: 5GB", func(c *bus.Config) { c.Replicas = 3 }, "nats.replicas"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(limited(t, test.limits))
			if test.change != nil {
				test.change(&cfg)
			}
			b, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), t.Name())
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for what, err := range map[string]error{"migrate": b.Declare(t.Context()), "a service": b.Ensure(t.Context())} {
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("%s: got %v, want %q", what, err, test.want)
				}
				if err != nil && strings.Contains(err.Error(), "secret-of-tests") {
					t.Errorf("%s: the error shows the password: %v", what, err)
				}
			}
		})
	}
}
