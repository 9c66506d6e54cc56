package ops_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/ops"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/run/runtest"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

const (
	bearer = "0123456789abcdef"
	token  = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chorus_test", Help: "x"}, func() float64 { return 1 }))
	return r
}

// shown is the content of a path added by Show.
const shown = `{"breakers":[]}`

// serve runs a server until the end of the test and returns a function that makes requests.
func serve(t *testing.T, cfg ops.Config, checks ...ops.Check) (ask func(path string, edit ...func(*http.Request)) (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := ops.Open(ctx, cfg, registry(), zap.NewNop(), checks...)
	if err != nil {
		t.Fatal(err)
	}
	s.Show("/breakers", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, shown) })
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(s.Addr().String())
	return func(path string, edit ...func(*http.Request)) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range edit {
			e(r)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
}

func authorization(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", value) }
}

func well(name string) ops.Check {
	return ops.Check{Name: name, Probe: func(context.Context) error { return nil }}
}

func ill(name, reason string) ops.Check {
	return ops.Check{Name: name, Probe: func(context.Context) error { return errors.New(reason) }}
}

func here() ops.Config { return ops.Config{Listen: "127.0.0.1:0"} }

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		checks []ops.Check
		code   int
		body   string
	}{
		"no checks": {nil, 200, `{"ready":true,"checks":[]}`},
		"well":      {[]ops.Check{well("bus"), well("database"), ops.Stopping(t.Context())}, 200, `{"ready":true,"checks":[{"name":"bus","ok":true},{"name":"database","ok":true},{"name":"running","ok":true}]}`},
		"ill":       {[]ops.Check{well("bus"), ill("database", "gone for bot"+token)}, 503, `{"ready":false,"checks":[{"name":"bus","ok":true},{"name":"database","ok":false,"error":"gone for bot110201543:***"}]}`},
		"stopping":  {[]ops.Check{ops.Stopping(stopped)}, 503, `{"ready":false,"checks":[{"name":"running","ok":false,"error":"the service is stopping"}]}`},
		"panic": {
			[]ops.Check{{Name: "bus", Probe: func(context.Context) error { panic("oh no") }}},
			503,
			`{"ready":false,"checks":[{"name":"bus","ok":false,"error":"fault in the check: oh no"}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask := serve(t, here(), c.checks...)
			if code, body := ask("/healthz"); code != 200 || body != "ok\n" {
				t.Errorf("/healthz answers %d %s", code, body)
			}
			code, body := ask("/readyz")
			if diff := cmp.Diff(c.body+"\n", body); code != c.code || diff != "" {
				t.Errorf("/readyz answers %d, want %d %s", code, c.code, diff)
			}
		})
	}
}

func TestWhoMayReadWhat(t *testing.T) {
	t.Parallel()
	everywhere := ops.Config{Listen: "0.0.0.0:0", MetricsToken: secret.New(bearer), Pprof: true}
	open := ops.Config{Listen: ":0", MetricsOpen: true}
	guarded := ops.Config{Listen: "127.0.0.1:0", MetricsToken: secret.New(bearer)}
	for name, c := range map[string]struct {
		cfg           ops.Config
		path          string
		authorization string
		host          string
		code          int
	}{
		"on this machine":           {cfg: here(), path: "/metrics", code: 200},
		"on this machine, by name":  {cfg: here(), path: "/metrics", host: "localhost:1", code: 200},
		"rebound name":              {cfg: here(), path: "/metrics", host: "evil.example:80", code: 421},
		"rebound name, health":      {cfg: here(), path: "/healthz", host: "evil.example", code: 421},
		"pprof is off":              {cfg: here(), path: "/debug/pprof/heap", code: 404},
		"elsewhere":                 {cfg: everywhere, path: "/metrics", code: 401},
		"elsewhere, health":         {cfg: everywhere, path: "/healthz", host: "sender.chorus", code: 200},
		"elsewhere, pprof":          {cfg: everywhere, path: "/debug/pprof/heap", code: 401},
		"wrong token":               {cfg: everywhere, path: "/metrics", authorization: "Bearer 0123456789abcdeX", code: 401},
		"empty token":               {cfg: everywhere, path: "/metrics", authorization: "Bearer ", code: 401},
		"other scheme":              {cfg: everywhere, path: "/metrics", authorization: "Basic " + bearer, code: 401},
		"token":                     {cfg: everywhere, path: "/metrics", authorization: "Bearer " + bearer, code: 200},
		"token, pprof":              {cfg: everywhere, path: "/debug/pprof/heap", authorization: "bearer " + bearer, code: 200},
		"arguments are never shown": {cfg: everywhere, path: "/debug/pprof/cmdline", authorization: "Bearer " + bearer, code: 404},
		"what a service shows":      {cfg: here(), path: "/breakers", code: 200},
		"shown elsewhere":           {cfg: everywhere, path: "/breakers", code: 401},
		"shown for the token":       {cfg: everywhere, path: "/breakers", authorization: "Bearer " + bearer, code: 200},
		"shown to a rebound name":   {cfg: here(), path: "/breakers", host: "evil.example", code: 421},
		"open":                      {cfg: open, path: "/metrics", code: 200},
		"token on this machine":     {cfg: guarded, path: "/metrics", code: 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, body := serve(t, c.cfg)(c.path, func(r *http.Request) {
				r.Host = c.host
				if c.authorization != "" {
					r.Header.Set("Authorization", c.authorization)
				}
			})
			if code != c.code {
				t.Errorf("got %d %s, want %d", code, body, c.code)
			}
			if c.path == "/metrics" && strings.Contains(body, "chorus_test 1") != (code == 200) {
				t.Errorf("got %d with the body %s", code, body)
			}
		})
	}
}

func TestReasonsAreForThoseWhoMayKnow(t *testing.T) {
	t.Parallel()
	ask := serve(t, ops.Config{Listen: "0.0.0.0:0", MetricsToken: secret.New(bearer)}, ill("database", "10.0.0.5 is gone"))
	if code, body := ask("/readyz"); code != 503 || body != `{"ready":false,"checks":[{"name":"database","ok":false}]}`+"\n" {
		t.Errorf("a stranger gets %d %s", code, body)
	}
	if _, body := ask("/readyz", authorization("Bearer "+bearer)); !strings.Contains(body, "10.0.0.5 is gone") {
		t.Errorf("the operator gets %s", body)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]ops.Config{
		"": ops.DefaultConfig(),
		`listen: "9464", want HOST:PORT such as 127.0.0.1:9464, or :9464 for every address`:                                     {Listen: "9464"},
		`listen: "h:http", want HOST:PORT such as 127.0.0.1:9464, or :9464 for every address`:                                   {Listen: "h:http"},
		`listen: "h:123456", want HOST:PORT such as 127.0.0.1:9464, or :9464 for every address`:                                 {Listen: "h:123456"},
		`metrics_token: is empty, want a token, or metrics_open: true, because listen ":9464" can be reached by others`:         {Listen: ":9464"},
		`metrics_token: is empty, want a token, or metrics_open: true, because listen "10.1.2.3:9464" can be reached by others`: {Listen: "10.1.2.3:9464"},
		"metrics_token: is 5 characters long, want 16 or more":                                                                  {Listen: "[::1]:0", MetricsToken: secret.New("short")},
		"metrics_open: true, want false where there is a metrics_token":                                                         {Listen: "localhost:0", MetricsOpen: true, MetricsToken: secret.New(bearer)},
	} {
		got := ""
		if err := cfg.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v: got %q, want %q", cfg, got, want)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := ops.Listen(t.Context(), "127.0.0.1:0", "x.listen")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	want := "ops.listen: " + address + " is in use by another program, set another with --ops.listen"
	if _, err := ops.Open(t.Context(), ops.Config{Listen: address}, registry(), zap.NewNop()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	want = "page.public_listen: 192.0.2.1:80 is no address of this machine, set another with --page.public-listen"
	if _, err := ops.Listen(t.Context(), "192.0.2.1:80", "page.public_listen"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestStress(t *testing.T) {
	runtest.Stress(t, func(t testing.TB) run.Part {
		s, err := ops.Open(t.Context(), here(), registry(), zap.NewNop(), well("bus"))
		if err != nil {
			t.Fatal(err)
		}
		return run.Part{Name: "ops", Run: s.Run}
	})
}

func TestOpenRefusesAWrongConfig(t *testing.T) {
	t.Parallel()
	_, err := ops.Open(t.Context(), ops.Config{Listen: ":0"}, registry(), zap.NewNop())
	if err == nil || !strings.HasPrefix(err.Error(), "ops: metrics_token: is empty") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// Readiness is a metric, for alerts.
func TestReadinessIsAMetric(t *testing.T) {
	t.Parallel()
	_, body := serve(t, here(), well("database"), ill("bus", "lost"))("/metrics")
	for _, want := range []string{`chorus_ready{check="database"} 1`, `chorus_ready{check="bus"} 0`} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in %s", want, body)
		}
	}
}
