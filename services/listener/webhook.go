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
	// hookPath is the path below the public URL; the bot's id follows. The token is never
	// part of a URL, because URLs are logged everywhere.
	hookPath = "/telegram/"
	// secretHeader holds the secret by which Telegram authenticates.
	secretHeader = "X-Telegram-Bot-Api-Secret-Token" //nolint:gosec // its name
	// hookConnections limits Telegram's concurrent requests for a bot. Telegram still sends
	// the updates of one chat one after the other.
	hookConnections = 40
	// renewHook is the interval at which the webhook is set again, in case that somebody
	// removed it.
	renewHook = time.Minute
	// maxRequests limits the requests handled at the same time.
	maxRequests = 256
)

// hookSecret returns the secret that Telegram must send for a bot. It is derived from the
// token, so all listeners know it without storing it, and it reveals nothing about the
// token.
func hookSecret(token secret.String) secret.String {
	mac := hmac.New(sha256.New, []byte(token.Reveal()))
	_, _ = mac.Write([]byte("chorus webhook")) // never fails
	return secret.New(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// hook keeps a bot's webhook set.
type hook struct {
	l     *Listener
	bot   bot
	token secret.String
	log   *zap.Logger
	// failing and pending are the values last added to the metrics: whether Telegram can't
	// reach the webhook, and how many updates wait.
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
		return h.l.callFailed(ctx, h.bot, h.log, out)
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

// look asks Telegram whether it reaches the webhook, because the listener can't notice
// missing updates itself. It logs the begin and the end of a failure once.
func (h *hook) look(ctx context.Context) {
	info, out := h.l.Telegram.GetWebhook(ctx, h.token)
	if ctx.Err() != nil {
		return
	}
	h.l.Metrics.called("getWebhookInfo", out)
	if !out.OK() {
		return
	}
	now := out.At // LastErrorAt is a time of Telegram's clock
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

// note updates the metrics of the webhook.
func (h *hook) note(failing bool, pending int) {
	count := map[bool]float64{true: 1}
	h.l.Metrics.hooked(count[failing]-count[h.failing], float64(pending-h.pending))
	h.failing, h.pending = failing, pending
}

// webhook receives the updates that Telegram sends, for all bots.
type webhook struct {
	l        *Listener
	server   *http.Server
	limiter  *ipLimiter
	slots    chan struct{}
	answered atomic.Pointer[answered] // the last answer; nil before the first
}

// answered is one instant by Telegram's clock and by ours.
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

// run serves until the context ends, and then finishes the open requests.
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

// ServeHTTP answers 200 once the update is written or can never be. After any other status
// Telegram sends it again.
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
	b, ok := w.authenticate(r)
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
	return w.ingest(r.Context(), b, body)
}

// authenticate returns the bot of a request if the request has that bot's secret.
func (w *webhook) authenticate(r *http.Request) (bot, bool) {
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

// equal compares in a time that depends neither on the position of a difference nor on the
// lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (w *webhook) ingest(ctx context.Context, b bot, body []byte) int {
	began := time.Now()
	u, err := incoming.Parse(body)
	if err != nil {
		w.l.Metrics.malformed()
		w.l.Log.Warn("an update can't be read, and is left out", zap.String("bot", b.name), zap.Int64("update_id", incoming.ID(body)), zap.Error(err))
		return http.StatusOK
	}
	if a := w.answered.Load(); a != nil {
		// Both began and received have monotonic readings, which nobody sets.
		u.Age = waited(u.At, a.given.Add(began.Sub(a.received)), began, time.Time{})
	}
	if err := w.l.ingest(ctx, b.Bot, []incoming.Update{u}, began); err != nil {
		// Other parts log the outage of the database.
		w.l.Log.Debug("an update is not written down yet, and is brought again", zap.Int64("update_id", u.ID), zap.Error(err))
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}
