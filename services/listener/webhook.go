package listener

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

const (
	// hookPath is below the public URL; the bot's id follows. The token never stands
	// in an address: addresses are logged everywhere.
	hookPath = "/telegram/"
	// secretHeader is where Telegram shows that it is Telegram.
	secretHeader = "X-Telegram-Bot-Api-Secret-Token" //nolint:gosec // its name
	// hookConnections is how many requests Telegram makes at once for a bot. It
	// brings the updates of one chat one after the other all the same.
	hookConnections = 40
	// renewHook is how often the webhook is set anew, should somebody have taken it
	// away.
	renewHook = time.Minute
	// maxRequests is how many requests are looked at side by side.
	maxRequests = 256
)

// hookSecret is what Telegram has to show for a bot. It follows from the token, so
// that all listeners know it and none has to keep it, but tells nothing of it.
func hookSecret(token secret.String) secret.String {
	mac := hmac.New(sha256.New, []byte(token.Reveal()))
	_, _ = mac.Write([]byte("chorus webhook")) // never fails
	return secret.New(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// hook keeps one bot's webhook set.
type hook struct {
	l     *Listener
	bot   bot
	token secret.String
	log   *zap.Logger
	// failing tells that Telegram can't bring updates, pending how many wait, as was
	// told.
	failing bool
	pending int
}

func (h *hook) run(ctx context.Context) error {
	out := h.l.Telegram.SetWebhook(ctx, h.token, telegram.Webhook{
		URL:    strings.TrimSuffix(h.l.cfg.PublicURL, "/") + hookPath + strconv.FormatInt(h.bot.ID, 10),
		Secret: hookSecret(h.token), Connections: hookConnections, Allowed: incoming.Allowed(),
	})
	if ctx.Err() != nil {
		return nil
	}
	h.l.Metrics.called("setWebhook", out)
	if !out.OK() {
		h.log.Warn("the webhook is not set, and is tried again", zap.Error(out.Err()))
		return h.l.troubled(ctx, h.bot, h.log, out)
	}
	if !out.At.IsZero() {
		h.l.webhook.answered.Store(&answered{given: out.At, received: time.Now()})
	}
	h.look(ctx)
	wait := time.NewTimer(renewHook)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
	return nil
}

// look asks Telegram whether it reaches the webhook: what it can't bring, nobody here
// knows of. It is told once when that begins, and once when it ends.
func (h *hook) look(ctx context.Context) {
	info, out := h.l.Telegram.GetWebhook(ctx, h.token)
	if ctx.Err() != nil {
		return
	}
	h.l.Metrics.called("getWebhookInfo", out)
	if !out.OK() {
		return
	}
	now := out.At // Telegram's clock tells when it failed
	if now.IsZero() {
		now = time.Now()
	}
	failing := info.Failing(now)
	switch {
	case failing && !h.failing:
		h.log.Warn("Telegram can't bring the bot's updates: nobody is heard", zap.String("error", info.LastError),
			zap.Time("at", info.LastErrorAt()), zap.Int("pending", info.Pending))
	case !failing && h.failing:
		h.log.Info("Telegram brings the bot's updates again")
	}
	h.note(failing, info.Pending)
}

// note tells the metrics how it stands with the webhook.
func (h *hook) note(failing bool, pending int) {
	count := map[bool]float64{true: 1}
	h.l.Metrics.hooked(count[failing]-count[h.failing], float64(pending-h.pending))
	h.failing, h.pending = failing, pending
}

// webhook takes the updates that Telegram brings, for every bot.
type webhook struct {
	l        *Listener
	server   *http.Server
	limiter  *ipLimiter
	slots    chan struct{}
	answered atomic.Pointer[answered] // last; nil until then
}

// answered is an instant by Telegram's clock and by ours.
type answered struct{ given, received time.Time }

func (l *Listener) newWebhook() (*webhook, error) {
	v, err := newIPLimiter(l.cfg.PerIP)
	if err != nil {
		return nil, err
	}
	w := &webhook{l: l, limiter: v, slots: make(chan struct{}, maxRequests)}
	mux := http.NewServeMux()
	mux.Handle("POST "+hookPath+"{bot}", w)
	w.server = &http.Server{
		Handler: mux, ErrorLog: zap.NewStdLog(l.Log), MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	return w, nil
}

// run serves until the context ends, and then ends what was begun.
func (w *webhook) run(ctx context.Context) error {
	defer w.limiter.StopAllGoroutines()
	var cfg net.ListenConfig
	listener, err := cfg.Listen(ctx, "tcp", w.l.cfg.Listen)
	if ctx.Err() != nil {
		return nil // stopped before the start
	}
	if err != nil {
		return fmt.Errorf("listener.listen: %w", err)
	}
	stopped := make(chan error, 1)
	stopping := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- w.server.Shutdown(ctx)
	})
	err = w.server.Serve(listener)
	if stopping() {
		return fmt.Errorf("listener.listen: %w", err)
	}
	if err := <-stopped; err != nil {
		return errors.Join(err, w.server.Close())
	}
	return nil
}

// ServeHTTP answers 200 once the update is written down, or can never be. Whatever
// else is answered makes Telegram bring it again.
func (w *webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	status := w.take(rw, r)
	w.l.Metrics.requested(strconv.Itoa(status))
	rw.WriteHeader(status)
}

func (w *webhook) take(rw http.ResponseWriter, r *http.Request) int {
	address := w.limiter.of(from(r, w.l.cfg.ForwardedFor))
	if !address.Allow() {
		return http.StatusTooManyRequests
	}
	b, ok := w.whose(r)
	if !ok {
		address.AllowN(time.Now(), refusedCost-1)
		return http.StatusUnauthorized
	}
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	default:
		return http.StatusServiceUnavailable
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, w.l.cfg.MaxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		w.l.Metrics.malformed()
		w.l.Log.Warn("an update is too long, and is left out", zap.String("bot", b.name), zap.Int64("limit", tooLong.Limit))
		return http.StatusOK
	}
	if err != nil {
		return http.StatusBadRequest
	}
	return w.hear(r.Context(), b, body)
}

// whose is the bot that a request is for, if it shows that bot's secret.
func (w *webhook) whose(r *http.Request) (bot, bool) {
	id, err := strconv.ParseInt(r.PathValue("bot"), 10, 64)
	if err != nil {
		return bot{}, false
	}
	b, ok := w.l.cast.Load().active[id]
	if !ok {
		return bot{}, false
	}
	token, err := w.l.token(b)
	if err != nil {
		return bot{}, false
	}
	return b, equal(r.Header.Get(secretHeader), hookSecret(token).Reveal())
}

// equal compares in a time that depends neither on where texts differ nor on how
// long they are.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (w *webhook) hear(ctx context.Context, b bot, body []byte) int {
	began := time.Now()
	u, err := incoming.Parse(body)
	if err != nil {
		w.l.Metrics.malformed()
		w.l.Log.Warn("an update can't be read, and is left out", zap.String("bot", b.name), zap.Int64("update_id", incoming.ID(body)), zap.Error(err))
		return http.StatusOK
	}
	if a := w.answered.Load(); a != nil {
		// What passed since is told by a clock that nobody sets.
		u.Age = waited(u.At, a.given.Add(began.Sub(a.received)), began, time.Time{})
	}
	if err := w.l.hear(ctx, b.Bot, []incoming.Update{u}, began); err != nil {
		// Whoever else needs the database tells of the outage.
		w.l.Log.Debug("an update is not written down yet, and is brought again", zap.Int64("update_id", u.ID), zap.Error(err))
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}
