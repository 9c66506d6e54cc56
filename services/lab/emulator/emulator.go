// Package emulator emulates Telegram on this machine: a server of the Bot API with Telegram's
// limits and error texts, chats in which people can write, faults that can be switched on, and a
// log of every call as the ground truth for tests. Its page and its control interface are mounted
// beside the Bot API.
package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/botapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/journal"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Emulator is the server with its state. Use New to make one.
type Emulator struct {
	cfg Config
	log *zap.Logger

	world  *world.World
	calls  *calllog.Log
	faults *fault.Set
	flood  *flood.Control
	api    *botapi.API
	mux    *http.ServeMux
	lock   *flock.Flock // claims the folder; nil without one

	listening sync.Mutex
	listener  net.Listener
	closing   sync.Once
}

// New reads the state in cfg.Dir, if any, and claims that folder until Run or
// Close ends.
func New(cfg Config, log *zap.Logger) (*Emulator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Emulator{cfg: cfg, log: log, mux: http.NewServeMux()}
	if err := e.open(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Emulator) open() error {
	e.faults = fault.NewSet(time.Now)
	e.flood = flood.New(e.cfg.limits(), time.Now)
	rules, err := e.cfg.rules()
	if err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	if _, err := e.faults.Replace(rules); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	if e.cfg.Dir != "" {
		if e.lock, err = journal.Lock(e.cfg.Dir); err != nil {
			return fmt.Errorf("dir: %w", err)
		}
	}
	if e.calls, err = calllog.Open(e.cfg.Dir, e.cfg.MaxCalls); err != nil {
		return fmt.Errorf("dir: %w", err)
	}
	now := e.cfg.Now
	if now == nil {
		now = time.Now
	}
	seed, err := e.cfg.seed()
	if err != nil {
		return fmt.Errorf("dir: %w", err)
	}
	e.world, err = world.Open(world.Config{
		Dir: e.cfg.Dir, Seed: seed,
		MaxMessages: e.cfg.MaxMessages, MaxUpdates: e.cfg.MaxUpdates, Now: now,
	})
	if err != nil {
		return fmt.Errorf("dir: %w", err)
	}
	if err := e.recover(); err != nil {
		return fmt.Errorf("dir: %w", err)
	}
	e.api = botapi.New(botapi.Options{
		World: e.world, Calls: e.calls, Faults: e.faults, Flood: e.flood, Log: e.log, Now: now,
	})
	return nil
}

// World is the emulated accounts and chats.
func (e *Emulator) World() *world.World { return e.world }

// Calls is the log of calls.
func (e *Emulator) Calls() *calllog.Log { return e.calls }

// Faults are the fault rules in force.
func (e *Emulator) Faults() *fault.Set { return e.faults }

// Flood is flood control.
func (e *Emulator) Flood() *flood.Control { return e.flood }

// Mount serves a pattern of net/http's ServeMux, such as "/_emulator/", beside
// the Bot API. The handler sees the whole path. It must not be called once the
// emulator serves.
func (e *Emulator) Mount(pattern string, h http.Handler) { e.mux.Handle(pattern, h) }

// Handler serves the Bot API and what is mounted. Updates reach webhooks only
// while Run runs.
func (e *Emulator) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A web page can make a name of its own mean this machine, and its requests
		// then look as if they came from here; but they carry that name.
		if !e.cfg.AllowRemote && !control.Local(r.Host) {
			refuse(w, http.StatusMisdirectedRequest, "Misdirected Request: this emulator answers as localhost only")
			return
		}
		if strings.HasPrefix(r.URL.Path, botapi.Prefix) {
			e.api.ServeHTTP(w, r)
			return
		}
		if _, pattern := e.mux.Handler(r); pattern == "" {
			refuse(w, http.StatusNotFound, "Not Found") // Telegram's answer to what means nothing to it
			return
		}
		e.mux.ServeHTTP(w, r)
	})
}

// refuse answers in the form of the Bot API.
func refuse(w http.ResponseWriter, code int, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"ok":false,"error_code":%d,"description":%q}`, code, description)
}

// Close ends all calls that wait and closes the state. Only an emulator that
// never ran needs it: Run closes it at its end. Closing twice does nothing.
func (e *Emulator) Close() error {
	var errs []error
	e.closing.Do(func() {
		if e.api != nil {
			e.api.Stop()
		}
		e.listening.Lock()
		defer e.listening.Unlock()
		if e.listener != nil {
			errs = append(errs, ignoreClosed(e.listener.Close()))
		}
		if e.world != nil {
			errs = append(errs, e.world.Close())
		}
		if e.calls != nil {
			errs = append(errs, e.calls.Close())
		}
		if e.lock != nil {
			errs = append(errs, e.lock.Unlock())
		}
	})
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// lookEvery is the interval at which the journal's size is checked.
const lookEvery = 10 * time.Second

// keep compacts the state when its journal has grown large, until ctx ends.
func (e *Emulator) keep(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !e.world.Overgrown() {
			continue
		}
		// A call between its effect and the log would be forgotten otherwise.
		if err := e.api.Quiesce(e.world.Compact); err != nil {
			e.log.Warn("the emulator's state could not be compacted; it goes on with a longer journal", zap.Error(err))
		}
	}
}

// recover completes the log of calls with what calls did just before the
// process died, and then compacts the state.
func (e *Emulator) recover() error {
	effects := e.world.Effects()
	// Calls are logged in the order of their effects, so only the last one can be missing.
	for i, effect := range slices.Backward(effects) {
		if e.calls.Knew(effect.ID) {
			effects = effects[i+1:]
			break
		}
	}
	for _, effect := range effects {
		bot, _ := e.world.AccountByID(effect.Bot)
		// Of the parameters the world knows what was said.
		params := map[string]json.RawMessage{}
		if effect.Text != "" {
			text, err := json.Marshal(effect.Text)
			if err != nil {
				return fmt.Errorf("complete the log: %w", err)
			}
			params["text"] = text
		}
		err := e.calls.Append(calllog.Record{
			ID: effect.ID, Time: effect.At, Bot: bot.Username, BotID: effect.Bot,
			Method: effect.Method, Chat: effect.Chat, Params: params,
			Status: http.StatusOK, Effect: effectOf(effect.Method), EffectMessageID: effect.Message,
			Recovered: true,
		})
		if err != nil {
			return err
		}
	}
	return e.world.Compact()
}

// effectOf returns what a method does when it does something.
func effectOf(method string) string {
	switch method {
	case "sendMessage":
		return "sent"
	case "setMessageReaction":
		return "reacted"
	case "editMessageText", "editMessageReplyMarkup":
		return "edited"
	case "deleteMessage":
		return "deleted"
	case "leaveChat":
		return "left"
	default:
		return "set"
	}
}
