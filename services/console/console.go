// Package console is where people watch, understand, direct and approve what a cast says:
// pages for browsers, an HTTP API and a server for MCP, over the same operations.
//
// It holds nothing: what it shows it reads, and what it does it commits as rows, as the
// services do. Any number of consoles may run.
package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/cast"
	"github.com/chorus-cast/chorus/services/console/idempotent"
	"github.com/chorus-cast/chorus/services/console/live"
	"github.com/chorus-cast/chorus/services/console/mcp"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Deps is what a console works with.
type Deps struct {
	Pool *pgxpool.Pool
	Bus  *bus.Bus
	Log  *zap.Logger
	// Keys seal tokens.
	Keys secret.Keyring
	// Cast is what the part of the cast can do with what other services know.
	Cast cast.Tools
}

// Console serves pages and the API. Run it once.
type Console struct {
	Deps
	cfg      Config
	set      *operation.Set
	pages    *page.Pages
	live     *live.Hub
	areas    []area
	listener net.Listener
}

// area is a part of the console: its operations were added to the set when it was made.
type area interface {
	// Routes adds its pages. They are asked for by who is logged in only.
	Routes(r chi.Router)
}

// Open makes a console that listens already, so that its address is known.
func Open(ctx context.Context, cfg Config, deps Deps) (*Console, error) {
	c := newConsole(cfg, deps)
	var err error
	c.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) && cfg.AnyPort {
		host, _, _ := net.SplitHostPort(cfg.Listen) // it was validated
		c.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, fmt.Errorf("console.listen: %w", err)
	}
	return c, nil
}

func newConsole(cfg Config, deps Deps) *Console {
	c := &Console{
		Deps: deps, cfg: cfg, live: &live.Hub{},
		set:   &operation.Set{Audit: audit.Log{Pool: deps.Pool}, Log: deps.Log},
		pages: &page.Pages{Open: cfg.Open, Log: deps.Log},
	}
	c.areas = []area{
		overview.New(c.set, c.pages, deps.Pool),
		cast.New(c.set, c.pages, cast.Deps{Pool: deps.Pool, Keys: deps.Keys, Tools: deps.Cast}),
	}
	return c
}

// URL is where browsers reach it.
func (c *Console) URL() string {
	if c.cfg.PublicURL != "" {
		return c.cfg.PublicURL
	}
	return "http://" + c.listener.Addr().String()
}

const (
	headerTimeout = 10 * time.Second
	writeTimeout  = 30 * time.Second
	maxHeader     = 64 << 10
	// grace is how long requests under way may take when the process stops.
	grace = 5 * time.Second
)

// Run serves until the context ends.
func (c *Console) Run(ctx context.Context) error {
	if c.Bus != nil {
		stop, err := c.Bus.Follow(c.live.Told)
		if err != nil {
			return err
		}
		defer stop()
	}
	// Pages that follow would keep it from stopping.
	requests, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	server := &http.Server{
		Handler: c.handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: writeTimeout, WriteTimeout: writeTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: zap.NewStdLog(c.Log), BaseContext: func(net.Listener) context.Context { return requests },
	}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		end()
		ending, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		stopped <- server.Shutdown(ending)
	})()
	if err := server.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the console: %w", err)
	}
	return <-stopped
}

// handler is all that the console answers.
func (c *Console) handler() http.Handler {
	r := chi.NewRouter()
	r.Use(secured, http.NewCrossOriginProtection().Handler, c.identified)
	page.Assets(r)
	r.Group(func(r chi.Router) {
		r.Use(c.known)
		r.Method(http.MethodGet, "/live", c.live)
		for _, a := range c.areas {
			a.Routes(r)
		}
	})
	c.serveAPI(r)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { c.pages.Fail(w, r, operation.ErrNotFound) })
	return r
}

// serveAPI adds the API, and MCP over it.
func (c *Console) serveAPI(r chi.Router) {
	var api huma.API
	once := idempotent.Requests{Pool: c.Pool, Secret: c.secret, Log: c.Log}
	r.Group(func(r chi.Router) {
		r.Use(once.Handler)
		api = humachi.New(r, describe())
		c.set.Register(api)
	})
	inner := chi.NewRouter()
	c.set.Register(humachi.New(inner, describe()))
	r.Handle("/mcp", c.knownToPrograms(mcp.Handler(api.OpenAPI(), c.set.All(), inner)))
}

// secret tells that a request's answer must not be kept.
func (c *Console) secret(r *http.Request) bool {
	pattern := strings.TrimPrefix(chi.RouteContext(r.Context()).RoutePattern(), "/api/v1")
	return slices.ContainsFunc(c.set.All(), func(o operation.Operation) bool {
		return o.Secret && o.Method == r.Method && o.Path == pattern
	})
}

// knownToPrograms refuses who is not known, as programs expect.
func (*Console) knownToPrograms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if access.From(r.Context()) == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, access.ErrAnonymous.Error(), http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// describe is what the API says of itself.
func describe() huma.Config {
	d := huma.DefaultConfig("Chorus", "1")
	d.Info.Description = "Watch, understand, direct and approve what a cast says."
	d.OpenAPIPath, d.DocsPath, d.SchemasPath = "/api/openapi", "", "/api/schemas"
	return d
}

// policy lets a page load what the console serves and nothing else, and nobody frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secured sets what browsers need to know to keep a page to itself.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// identified tells the context who asks. Where no login is needed, everybody who names this
// machine as this machine is the owner: a page that lets its own name point to it does not
// (DNS rebinding).
func (c *Console) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin, _, _ := net.SplitHostPort(r.RemoteAddr)
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !c.cfg.Open {
			next.ServeHTTP(w, r)
			return
		}
		if !loopback(host) || !loopback(origin) {
			http.Error(w, "this console answers requests from this machine to localhost only", http.StatusMisdirectedRequest)
			return
		}
		via := "console"
		if len(r.URL.Path) >= len("/api/") && r.URL.Path[:len("/api/")] == "/api/" {
			via = "api"
		}
		who := &access.Principal{Name: "demo", Role: access.Owner, Origin: origin, Via: via}
		next.ServeHTTP(w, r.WithContext(access.With(r.Context(), who)))
	})
}

// known lets pages be seen by who is logged in only.
func (c *Console) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if access.From(r.Context()) == nil {
			c.pages.Fail(w, r, access.ErrAnonymous)
			return
		}
		next.ServeHTTP(w, r)
	})
}
