// Package botapi is Telegram's Bot API over HTTP, on a world of its own: the
// same paths, parameters, results and errors, word for word, so that a client
// library can't tell it from api.telegram.org.
//
// A call goes through these steps, in this order:
//
//  1. the token, the method and the parameters are read;
//  2. the fault rules decide whether the call goes wrong, and how;
//  3. the parameters are checked against the world, as the Bot API server does
//     before it asks Telegram;
//  4. flood control lets the call through, keeps it waiting, or refuses it;
//  5. the call takes effect and is written to the log of calls, as one step, so
//     the log has the order of the effects;
//  6. the answer leaves.
//
// A call whose client leaves during step 4 is carried out all the same, as on
// Telegram. That is what makes the outcome of a call that timed out unknown.
package botapi

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Prefix is the beginning of the path of every call of the Bot API.
const Prefix = "/bot"

// Options are the dependencies of an API. All fields but WebhookRetry must be set.
type Options struct {
	World  *world.World
	Calls  *calllog.Log
	Faults *fault.Set
	Flood  *flood.Control
	Log    *zap.Logger
	// Now is the clock of the log and of the spacing of conflicts.
	Now func() time.Time
	// WebhookRetry is the pause before the second attempt to deliver an update
	// to a webhook; it doubles up to a minute. 0 means a second.
	WebhookRetry time.Duration
}

// API serves the Bot API. It is safe for concurrent use.
type API struct {
	Options

	methods map[string]method
	polls   polls

	// effects is held while a call takes effect and is logged.
	effects  sync.Mutex
	stopping chan struct{}
	stop     sync.Once
	underway sync.WaitGroup
}

var _ http.Handler = (*API)(nil)

// New makes an API.
func New(opts Options) *API {
	if opts.WebhookRetry == 0 {
		opts.WebhookRetry = time.Second
	}
	a := &API{Options: opts, stopping: make(chan struct{})}
	a.polls.open = map[int64]*poll{}
	a.polls.spaced = map[int64]time.Time{}
	a.methods = a.table()
	return a
}

// Stop ends all calls that wait for something, with Telegram's answer for it.
// Calls that come later wait for nothing.
func (a *API) Stop() { a.stop.Do(func() { close(a.stopping) }) }

// Wait returns when no call is under way any more. It comes after Stop, and
// after the server has stopped to accept calls.
func (a *API) Wait() { a.underway.Wait() }

// Quiesce runs f while no call takes effect.
func (a *API) Quiesce(f func() error) error {
	a.effects.Lock()
	defer a.effects.Unlock()
	return f()
}

// ServeHTTP answers /bot<token>/<method>.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.underway.Add(1)
	defer a.underway.Done()
	token, name, ok := split(r.URL.Path)
	if !ok {
		send(w, refusal(errNotFound()), "")
		return
	}
	c := newCall(a.Now(), name)
	c.gone = r.Context().Done()
	if err := a.read(w, r, token, c); err != nil {
		refused := a.note(c, refusal(err))
		if refused.status == 0 {
			panic(http.ErrAbortHandler)
		}
		a.date(w)
		send(w, refused, "")
		return
	}
	reply, rule := a.perform(c)
	switch {
	case c.cut:
		reset(w)
	case reply.status == 0:
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	default:
		a.date(w)
		send(w, reply, rule.Body)
	}
}

// date tells the emulated clock, not that of the HTTP server.
func (a *API) date(w http.ResponseWriter) {
	w.Header().Set("Date", a.Now().UTC().Format(http.TimeFormat))
}

// split takes a path apart; false where it is none of the Bot API's.
func split(path string) (token, method string, ok bool) {
	rest, ok := strings.CutPrefix(path, Prefix)
	if !ok {
		return "", "", false
	}
	token, method, ok = strings.Cut(rest, "/")
	return token, method, ok && strings.Contains(token, ":") && method != "" && !strings.Contains(method, "/")
}

// read finds out which bot calls which method with which parameters. On an
// error the call is as complete as it could be made.
func (a *API) read(w http.ResponseWriter, r *http.Request, token string, c *call) error {
	// A page of another origin could make a visitor's browser send a form here. Bots are no
	// browsers.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return &world.Error{Code: http.StatusForbidden, Description: "Forbidden: requests of other web pages are refused"}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return &world.Error{Code: http.StatusMethodNotAllowed, Description: "Method Not Allowed"}
	}
	bot, ok := a.World.BotByToken(token)
	if !ok {
		return &world.Error{Code: http.StatusUnauthorized, Description: "Unauthorized"}
	}
	c.bot = bot
	m, ok := a.methods[strings.ToLower(c.method.name)]
	if !ok {
		return errNotEmulated(c.method.name)
	}
	c.method = m
	var err error
	if c.params, err = readParams(w, r); err != nil {
		return err
	}
	c.chat, _ = c.params.chat() // for the rules and the log; the method itself says what is wrong
	return nil
}

func errNotFound() error { return &world.Error{Code: http.StatusNotFound, Description: "Not Found"} }

// errNotEmulated tells the author of a bot that the method is missing in the emulator, not on
// Telegram.
func errNotEmulated(name string) error {
	const longest = 64
	if len(name) > longest {
		return errNotFound()
	}
	return &world.Error{Code: http.StatusNotFound, Description: "Not Found: " + name + " is not emulated (see /_emulator/methods)"}
}

// errStopping ends the calls that wait while the server stops.
func errStopping() error {
	return &world.Error{Code: http.StatusInternalServerError, Description: "Internal Server Error: restart"}
}

// errGone reports that the client left before the call was carried out.
var errGone = errors.New("the client has left")
