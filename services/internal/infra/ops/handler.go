package ops

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

func (s *Server) handler(metrics prometheus.Gatherer, log *zap.Logger) http.Handler {
	r := chi.NewRouter()
	s.router = r
	r.Use(s.sameHost)
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok") // an error means that the client has disconnected
	})
	r.Get("/readyz", s.ready)
	r.Group(func(r chi.Router) {
		r.Use(s.authorise)
		r.Handle("/metrics", promhttp.HandlerFor(prometheus.Gatherers{metrics, s.readiness.metrics()}, promhttp.HandlerOpts{
			ErrorLog: zap.NewStdLog(log), ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
		}))
		if s.cfg.Pprof {
			r.HandleFunc("/debug/pprof/*", pprof.Index)
			r.HandleFunc("/debug/pprof/cmdline", http.NotFound) // arguments may contain passwords
			r.HandleFunc("/debug/pprof/profile", pprof.Profile)
			r.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
			r.HandleFunc("/debug/pprof/trace", pprof.Trace)
		}
	})
	return r
}

// Show adds a path with a handler, for clients that may read /metrics. It must be called
// before Run.
func (s *Server) Show(path string, handler http.HandlerFunc) {
	s.router.With(s.authorise).Get(path, handler)
}

// sameHost prevents DNS rebinding: on a loopback address it refuses requests of web pages
// whose own host name resolves to this machine.
func (s *Server) sameHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if loopback(s.cfg.Listen) && !loopback(r.Host) {
			http.Error(w, "this port answers requests to localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) authorise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.authorised(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
			http.Error(w, "want Authorization: Bearer TOKEN, with the token in ops.metrics_token", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authorised reports whether a request may read protected content. If there is no token,
// Validate has checked that none is needed.
func (s *Server) authorised(r *http.Request) bool {
	if s.cfg.MetricsToken.Empty() {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && s.cfg.MetricsToken.Equal(secret.New(token))
}

// ready responds with 200 if every check succeeds, else with 503.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	found := s.readiness.look(r.Context())
	answer := struct {
		Ready  bool     `json:"ready"`
		Checks []result `json:"checks"`
	}{Ready: found != nil, Checks: make([]result, 0, len(found))}
	for _, f := range found {
		answer.Ready = answer.Ready && f.OK
		if !s.authorised(r) {
			f.Error = ""
		}
		answer.Checks = append(answer.Checks, f)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // an error means that the client has disconnected
}
