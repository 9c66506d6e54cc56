package verify_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// patience bounds every wait; only a broken server takes so long.
const patience = 30 * time.Second

// configured reads a configuration of deploy/nats, with other ports and folders.
func configured(t *testing.T, file string, change ...string) *server.Options {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../nats", file))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(append(change, "store_dir: /data", "store_dir: "+t.TempDir())...).Replace(string(text))
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.HTTPPort, opts.NoSigs = "127.0.0.1", -1, 0, true
	return opts
}

func serve(t *testing.T, opts *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	return s
}

func connect(t *testing.T, urls string, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(urls, append(opts, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// insist repeats what may fail while servers elect a leader.
func insist(t *testing.T, what string, do func(context.Context) error) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		ctx, cancel := context.WithTimeout(deadline, 2*time.Second)
		err := do(ctx)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-deadline.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestThreeServersLoseNothingWhenOneIsGone(t *testing.T) {
	for name, value := range map[string]string{
		"NATS_USER": "chorus", "NATS_PASSWORD": "of-tests", "NATS_ROUTE_USER": "route", "NATS_ROUTE_PASSWORD": "of-tests-too",
	} {
		t.Setenv(name, value)
	}
	var routes []string
	ports := make([]string, 3)
	for i := range ports {
		ports[i] = freePort(t)
		routes = append(routes, "nats://route:of-tests-too@127.0.0.1:"+ports[i])
	}
	t.Setenv("NATS_ROUTES", "["+strings.Join(routes, ", ")+"]")
	var servers []*server.Server
	var urls []string
	for i, port := range ports {
		t.Setenv("NATS_NAME", fmt.Sprintf("nats-%d", i))
		opts := configured(t, "production.conf", "port: 6222", `listen: "127.0.0.1:`+port+`"`)
		if opts.Username == "" && len(opts.Users) == 0 {
			t.Error("it lets everybody in")
		}
		s := serve(t, opts)
		servers, urls = append(servers, s), append(urls, s.ClientURL())
	}
	js := connect(t, strings.Join(urls, ","), nats.UserInfo("chorus", "of-tests"))
	var stream jetstream.Stream
	insist(t, "make a stream", func(ctx context.Context) (err error) {
		stream, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "TURNS", Subjects: []string{"turn.>"}, Replicas: len(ports), Storage: jetstream.FileStorage})
		return err
	})
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			insist(t, "publish", func(ctx context.Context) error {
				_, err := js.Publish(ctx, "turn.1", nil, jetstream.WithMsgID(fmt.Sprint(i)))
				return err
			})
		}
	}
	const half, all = 20, 40
	publish(0, half)
	leader := stream.CachedInfo().Cluster.Leader
	for _, s := range servers {
		if s.Name() == leader {
			s.Shutdown()
			s.WaitForShutdown()
		}
	}
	publish(half, all)
	insist(t, "count", func(ctx context.Context) error {
		info, err := stream.Info(ctx)
		if err == nil && info.State.Msgs != all {
			t.Errorf("%d messages are there, want %d", info.State.Msgs, all)
		}
		return err
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Documents and files name the same version of NATS.
func TestOneVersionOfEachServer(t *testing.T) {
	t.Parallel()
	image := regexp.MustCompile(`image: ((?:nats|postgres|redis):[^\s]+)`)
	versions := map[string]map[string]bool{}
	for _, file := range []string{"../../docker-compose.yml", "../k8s/overlays/dev/nats.yaml", "../k8s/overlays/dev/postgres.yaml", "../k8s/overlays/dev/redis.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range image.FindAllStringSubmatch(string(text), -1) {
			name, _, _ := strings.Cut(m[1], ":")
			if versions[name] == nil {
				versions[name] = map[string]bool{}
			}
			versions[name][m[1]] = true
		}
	}
	if len(versions) != 3 {
		t.Errorf("found %v", versions)
	}
	for name, all := range versions {
		if len(all) != 1 {
			t.Errorf("%s is used in several versions: %v", name, all)
		}
	}
}
