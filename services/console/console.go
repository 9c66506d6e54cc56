// Package console is where people watch, understand and direct what a cast says:
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
	"path"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account"
	"github.com/chorus-cast/chorus/services/console/approve"
	"github.com/chorus-cast/chorus/services/console/auditlog"
	"github.com/chorus-cast/chorus/services/console/cast"
	"github.com/chorus-cast/chorus/services/console/chats"
	"github.com/chorus-cast/chorus/services/console/directing"
	"github.com/chorus-cast/chorus/services/console/idempotent"
	"github.com/chorus-cast/chorus/services/console/live"
	"github.com/chorus-cast/chorus/services/console/mcp"
	"github.com/chorus-cast/chorus/services/console/operate"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/console/people"
	"github.com/chorus-cast/chorus/services/console/turns"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/direct"
	"github.com/chorus-cast/chorus/services/internal/infra/remote"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// Deps are the dependencies of a console.
type Deps struct {
	Pool *pgxpool.Pool
	Bus  *bus.Bus
	Now  func() time.Time
	Log  *zap.Logger
	// Keys seal tokens, and the secrets of authenticators.
	Keys secret.Keyring
	// Cast holds functions that other services provide for the pages of the cast.
	Cast cast.Tools
	// Outlook tells how the planner sees the chat of a name, and Words what a turn was
	// planned to do, where the author of what it answers is known. Both may be nil.
	Outlook func(ctx context.Context, chat string) (chats.Outlook, error)
	Words   func(t *chorusv1.Turn, answered string) string
	// Settings returns the settings that differ from the defaults; nil for the defaults.
	Settings func() *settings.Values
	// Budgets returns the providers' budgets; nil for none.
	Budgets func(ctx context.Context) ([]overview.Budget, error)
	// Telegram is the address of the emulator's chat page; empty without an emulator.
	Telegram string
	// Choose returns the bot that the planner would let speak in a chat now; 0 for none.
	Choose func(ctx context.Context, chat int64) (int64, error)
	// Honest reports whether a line makes no bot pass for a human.
	Honest func(line string) bool
	// Check looks whether everything is there and as it should be; it may be nil.
	Check func(ctx context.Context) (preflight.Report, error)
}

// Console serves pages and the API. Run it once.
type Console struct {
	Deps
	cfg      Config
	set      *operation.Set
	pages    *page.Pages
	live     *live.Hub
	accounts *account.Area
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
		pages: &page.Pages{Open: cfg.Open, Telegram: deps.Telegram, Log: deps.Log},
	}
	c.accounts = account.New(c.set, c.pages, account.Deps{
		Pool: deps.Pool, Keys: deps.Keys, Now: deps.Now, Log: deps.Log, PublicURL: cfg.PublicURL, URL: c.URL,
		Forwarded: cfg.ForwardedFor, Open: cfg.Open, Session: cfg.Session, OIDC: cfg.OIDC,
	})
	director := &direct.Director{
		Pool: deps.Pool, Journal: journal.New(deps.Pool), Bus: deps.Bus, Choose: deps.Choose, Honest: deps.Honest,
	}
	c.areas = []area{
		c.accounts,
		overview.New(c.set, c.pages, overview.Deps{Pool: deps.Pool, Budgets: deps.Budgets}),
		chats.New(c.set, c.pages, chats.Deps{Pool: deps.Pool, Outlook: deps.Outlook, Settings: deps.Settings, Said: c.live.Said}),
		turns.New(c.set, c.pages, turns.Deps{Pool: deps.Pool, Bus: deps.Bus, Settings: deps.Settings, Words: deps.Words}),
		auditlog.New(c.set, c.pages),
		cast.New(c.set, c.pages, cast.Deps{Pool: deps.Pool, Keys: deps.Keys, Tools: deps.Cast}),
		directing.New(c.set, c.pages, deps.Pool, director),
		approve.New(c.set, c.pages, deps.Pool, director),
		operate.New(c.set, c.pages, operate.Deps{
			Pool: deps.Pool, Bus: deps.Bus, Keys: deps.Keys, Check: deps.Check, Budgets: deps.Budgets,
		}),
		people.New(c.set, c.pages, deps.Pool, deps.Keys),
	}
	return c
}

// URL returns the console's address for browsers.
func (c *Console) URL() string {
	cfg := c.cfg
	if c.listener != nil {
		cfg.Listen = c.listener.Addr().String()
	}
	return cfg.URL()
}

const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	// writeTimeout limits an operation together with its response.
	writeTimeout = 5 * time.Minute
	maxHeader    = 64 << 10
	// grace is the time that running requests get when the process stops.
	grace = 5 * time.Second
	// tidyEvery is the interval at which expired rows are removed.
	tidyEvery = time.Hour
)

// Run serves until the context ends.
func (c *Console) Run(ctx context.Context) error {
	if c.Bus != nil {
		stop, err := c.Bus.Follow(subject.Events, c.live.Told)
		if err != nil {
			return err
		}
		defer stop()
	}
	if !c.cfg.Open {
		link, err := c.accounts.FirstLink(ctx)
		if err != nil {
			return err
		}
		if link != "" {
			c.Log.Warn("nobody has an account yet: open this link to make the first owner's; it works once, for a day", zap.String("link", c.URL()+link))
		}
	}
	tidying, stop := context.WithCancel(ctx)
	tidied := make(chan struct{})
	go func() {
		defer close(tidied)
		c.tidy(tidying)
	}()
	defer func() { stop(); <-tidied }()
	// Pages that follow would keep it from stopping.
	requests, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	server := &http.Server{
		Handler: c.handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, MaxHeaderBytes: maxHeader,
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

// tidy removes what has expired, until the context ends.
func (c *Console) tidy(ctx context.Context) {
	again := time.NewTicker(tidyEvery)
	defer again.Stop()
	for {
		if err := errors.Join(c.accounts.Tidy(ctx), c.once().Tidy(ctx)); err != nil && ctx.Err() == nil {
			c.Log.Warn("what has expired could not be removed", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// once does requests with a key once.
func (c *Console) once() idempotent.Requests {
	return idempotent.Requests{Pool: c.Pool, Secret: c.secret, Log: c.Log}
}

// handler is all that the console answers.
func (c *Console) handler() http.Handler {
	r := chi.NewRouter()
	same := http.NewCrossOriginProtection()
	if c.cfg.PublicURL != "" {
		_ = same.AddTrustedOrigin(c.cfg.PublicURL) // it was validated
	}
	gate := c.accounts.Gate
	if c.cfg.Open {
		gate = open
	}
	r.Use(c.secured, same.Handler, gate)
	page.Assets(r)
	r.Method(http.MethodGet, "/live", following(c.live))
	if !c.cfg.Open {
		c.accounts.Public(r)
	}
	for _, a := range c.areas {
		a.Routes(r)
	}
	c.serveAPI(r)
	r.NotFound(c.missing)
	return r
}

// serveAPI adds the API, and MCP over it.
func (c *Console) serveAPI(r chi.Router) {
	routes := chi.NewRouter()
	routes.NotFound(c.missing)
	var api huma.API
	routes.Group(func(r chi.Router) {
		r.Use(c.once().Handler)
		api = humachi.New(r, describe())
		c.set.Register(api)
	})
	// Its routes begin anew: their patterns are whole paths.
	anew := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routes.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, (*chi.Context)(nil))))
	})
	r.Handle("/api/*", anew)
	r.Handle("/mcp", mcp.Handler(api.OpenAPI(), c.set.All(), anew))
}

func (c *Console) missing(w http.ResponseWriter, r *http.Request) {
	c.pages.Fail(w, r, operation.ErrNotFound)
}

// secret tells that a request's answer must not be kept.
func (c *Console) secret(r *http.Request) bool {
	pattern := strings.TrimPrefix(chi.RouteContext(r.Context()).RoutePattern(), "/api/v1")
	return slices.ContainsFunc(c.set.All(), func(o operation.Operation) bool {
		return o.Secret && o.Method == r.Method && o.Path == pattern
	})
}

// followFor limits a stream of changes. After it the page connects again, and its login is
// checked again.
const followFor = 10 * time.Minute

// following lets pages of this console follow, and none of another origin.
func following(next http.Handler) http.Handler {
	same := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, end := context.WithTimeout(r.Context(), followFor)
		defer end()
		asked := r.Clone(ctx)
		asked.Method = http.MethodPost // requests that only read are let through otherwise
		if err := same.Check(asked); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// describe returns the description of the API.
func describe() huma.Config {
	d := huma.DefaultConfig("Chorus", "1")
	d.Info.Description = "Watch, understand and direct what a cast says."
	d.OpenAPIPath, d.DocsPath, d.SchemasPath = "/api/openapi", "", "/api/schemas"
	d.Components = &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName)}
	d.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {
		Type: "http", Scheme: "bearer", Description: "An API token, as each user makes them under their name in the console.",
	}}
	return d
}

// schemaName returns the name of a type in the API: it includes the package's name, so that
// two parts of the console may use the same type name.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := huma.DefaultSchemaNamer(t, hint)
	if t.Name() == "" || !strings.Contains(t.PkgPath(), "/console/") {
		return name
	}
	of := path.Base(t.PkgPath())
	return strings.ToUpper(of[:1]) + of[1:] + name
}

// policy lets a page load what the console serves and nothing else, and nobody frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secured sets what browsers need to know to keep a page to itself.
func (c *Console) secured(next http.Handler) http.Handler {
	https := strings.HasPrefix(c.cfg.PublicURL, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// open makes every visitor the owner who addresses this machine by a loopback name. A page
// whose own name resolves to this machine (DNS rebinding) gets no access.
func open(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := remote.Address(r, false)
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !loopback(host) || !loopback(origin) {
			http.Error(w, "this console answers requests from this machine to localhost only", http.StatusMisdirectedRequest)
			return
		}
		who := &access.Principal{Name: "demo", Role: access.Owner, Origin: origin, Via: account.Via(r.URL.Path)}
		next.ServeHTTP(w, r.WithContext(access.With(r.Context(), who)))
	})
}
