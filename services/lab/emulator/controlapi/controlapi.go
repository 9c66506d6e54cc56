// Package controlapi is the emulator's control interface over HTTP: the log of
// calls, faults, limits, bots, chats and what people do in them. Its answers
// are JSON; a wrong request gets status 400 and {"error": "..."} with the
// field, the value and what is allowed. Package control is its client and
// defines what it reads and answers.
//
// It has no passwords. It keeps to this machine by refusing requests under
// other host names than those allowed, and changes that web pages of other
// origins ask for.
package controlapi

import (
	"context"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/botapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Config holds the objects that the interface controls. All but Hosts are required.
type Config struct {
	World  *world.World
	Calls  *calllog.Log
	Faults *fault.Set
	Flood  *flood.Control
	Log    *zap.Logger
	// Hosts are the names and addresses, without ports, under which the
	// interface may be asked for, besides those of this machine's loopback.
	Hosts []string
}

type server struct {
	Config

	// faults are the rules that a reset restores.
	faults []fault.Rule
	limits flood.Limits
}

// New makes the interface. Its paths begin with control.Prefix, wherever it is
// mounted. A reset goes back to the faults and limits in force now. A following
// stream of calls ends with its request's context, so a server that is to stop
// soon must end the contexts of its requests.
func New(cfg Config) http.Handler {
	s := &server{Config: cfg, faults: cfg.Faults.Rules(), limits: cfg.Flood.Limits()}
	router := chi.NewRouter()
	router.Use(onlyHosts(cfg.Hosts), sameOrigin, onlyJSON)
	router.NotFound(s.answer(func(r *http.Request) (any, error) { return nil, notFound("path", r.URL.Path) }))
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusMethodNotAllowed, "method: "+r.Method+" is not allowed for "+r.URL.Path)
	})
	router.Route(control.Prefix, s.routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Without the routing of a router around this one, all of the path counts.
		router.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, nil)))
	})
}

func (s *server) routes(r chi.Router) {
	r.Get("/methods", s.answer(func(*http.Request) (any, error) { return botapi.Methods(), nil }))
	r.Get("/calls", s.calls)
	r.Get("/faults", s.answer(s.listFaults))
	r.Put("/faults", s.answer(s.setFaults))
	r.Post("/faults", s.answer(s.addFaults))
	r.Delete("/faults", s.answer(s.clearFaults))
	r.Delete("/faults/{id}", s.answer(s.removeFault))
	r.Get("/limits", s.answer(s.listLimits))
	r.Put("/limits", s.answer(s.setLimits))
	r.Get("/bots", s.answer(s.listBots))
	r.Post("/bots", s.answer(s.addBot))
	r.Get("/chats", s.answer(s.listChats))
	r.Post("/chats", s.answer(s.putChat))
	r.Post("/starts", s.answer(s.start))
	r.Get("/chats/{chat}", s.answer(s.showChat))
	r.Post("/chats/{chat}/members", s.answer(inChat(s, s.setRole)))
	r.Delete("/chats/{chat}/members/{who}", s.answer(s.kick))
	r.Post("/chats/{chat}/upgrade", s.answer(s.upgrade))
	r.Get("/chats/{chat}/messages", s.answer(s.listMessages))
	r.Post("/chats/{chat}/messages", s.answer(inChat(s, s.say)))
	r.Put("/chats/{chat}/messages/{message}", s.answer(s.editMessage))
	r.Delete("/chats/{chat}/messages/{message}", s.answer(s.deleteMessage))
	r.Post("/chats/{chat}/reactions", s.answer(inChat(s, s.react)))
	r.Post("/chats/{chat}/presses", s.answer(inChat(s, s.press)))
	r.Post("/reset", s.answer(s.reset))
}

// onlyHosts refuses requests under other host names than those of this machine and the
// allowed ones: see control.Local.
func onlyHosts(allowed []string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host := hostname(r.Host)
			if !control.Local(host) && !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) }) {
				refuse(w, http.StatusForbidden, "host: "+strconv.Quote(host)+" is not allowed, must be "+strings.Join(append([]string{"localhost"}, allowed...), " or "))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// hostname is the Host header without the port and the brackets of IPv6.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// sameOrigin refuses changes that a web page of another origin asks for.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusForbidden, "origin: "+strconv.Quote(r.Header.Get("Origin"))+" is not allowed, must be the emulator's own")
	}))
	return protection.Handler(next)
}

// onlyJSON refuses bodies of other types. A web page can't send this type to
// another origin without asking first, which is never allowed.
func onlyJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if (r.Method == http.MethodPost || r.Method == http.MethodPut) && (err != nil || kind != control.ContentType) {
			refuse(w, http.StatusUnsupportedMediaType, "Content-Type: "+strconv.Quote(r.Header.Get("Content-Type"))+" is not allowed, must be "+control.ContentType)
			return
		}
		next.ServeHTTP(w, r)
	})
}
