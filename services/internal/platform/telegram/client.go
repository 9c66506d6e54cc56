// Package telegram makes calls to the Bot API and tells, of each, what became of
// it. It makes every call once: whether to repeat it is for the caller to say,
// who knows what a repetition would do.
package telegram

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/outbound"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/reaction"
)

// Client makes calls for any number of bots over shared connections. It is safe
// for concurrent use. No token gets into its outcomes, errors or logs.
type Client struct {
	cfg  Config
	http *http.Client
	// fresh makes a new connection for each request.
	fresh *http.Client
	edge  *edge
	api   *bot.Bot
	// timed is told Telegram's time; nil for nobody.
	timed func(time.Time)
}

// New makes a client. It makes no call.
func New(cfg Config, log *zap.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("telegram: %w", err)
	}
	if cfg.URL == "" {
		cfg.URL = OfficialURL
	}
	base, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("telegram: %w", validateURL(cfg.URL))
	}
	c := &Client{cfg: cfg, http: &http.Client{
		Transport: transport(cfg),
		// To follow a redirect would carry the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	fresh := transport(cfg)
	fresh.DisableKeepAlives = true
	c.fresh = &http.Client{Transport: fresh, CheckRedirect: c.http.CheckRedirect}
	c.edge = &edge{base: base, http: c.http}
	// The library binds a client to one token and address. The edge puts the
	// call's own in, so one client serves all bots and knows no secret.
	c.api, err = bot.New("none",
		bot.WithSkipGetMe(),
		bot.WithServerURL(OfficialURL),
		bot.WithHTTPClient(cfg.Timeout, c.edge),
		bot.WithErrorsHandler(func(err error) { log.Warn("telegram client", zap.Error(err)) }),
	)
	if err != nil {
		return nil, fmt.Errorf("telegram: %w", err)
	}
	return c, nil
}

// TellTime has a function told Telegram's time with each answer. It must be called
// before the first call, and the function be safe for concurrent use.
func (c *Client) TellTime(timed func(time.Time)) { c.timed = timed }

// Connections that idle longer are closed by us. Servers close them after 60 s
// and more, and one that they close while a request is on its way leaves an
// unknown outcome.
const idleTimeout = 30 * time.Second

// Over HTTP/2 many calls share a connection, which outlives those that are given up.
// So one that is dead must be found, and closed with all that it holds, before its
// calls' time is over.
const pingAfter, pingWait = 15 * time.Second, 5 * time.Second

// unacknowledged is how long Telegram's kernel may take to acknowledge what was sent;
// it does so in a moment, however long the answer takes.
const unacknowledged = 10 * time.Second

func transport(cfg Config) *http.Transport {
	dialer := outbound.Dialer{Connect: cfg.ConnectTimeout, Unacknowledged: min(unacknowledged, cfg.Timeout)}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   cfg.ConnectTimeout,
		ResponseHeaderTimeout: cfg.Timeout,
		// Every call goes to one host. The default of 2 would close nearly every
		// connection after its call.
		MaxIdleConnsPerHost: cfg.MaxIdle,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   true, // a dialer of one's own turns it off
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: min(pingAfter, cfg.Timeout/2), PingTimeout: min(pingWait, cfg.Timeout/4), //nolint:mnd // before the time is over
		},
	}
}

// Close closes the connections that no call uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Message is a text for a chat.
type Message struct {
	ChatID int64  // Telegram's id of the chat
	Text   string // plain text of 1 to MaxText; nothing in it is markup
	// ReplyTo is the message that it answers, by the id that this bot knows it
	// under; 0 for none. If it is gone, the message is refused, not sent bare.
	ReplyTo int64
	// NotAfter is until when the call may begin; zero for any time. One that
	// comes later than that to its first byte is NotSent, and TooLate.
	NotAfter time.Time
}

// SendMessage sends a message. To send it again after Unknown may double it.
func (c *Client) SendMessage(ctx context.Context, token secret.String, m Message) Outcome {
	params := &bot.SendMessageParams{ChatID: m.ChatID, Text: m.Text}
	if m.ReplyTo != 0 {
		params.ReplyParameters = &models.ReplyParameters{MessageID: int(m.ReplyTo)}
	}
	var sent struct {
		ID   int64 `json:"message_id"`
		Date int64 `json:"date"`
	}
	out := c.callBy(ctx, m.NotAfter, token, &sent, func(ctx context.Context) error {
		_, err := c.api.SendMessage(ctx, params)
		return err //nolint:wrapcheck // shown as it is
	})
	if out.Kind == Done {
		out.MessageID = sent.ID
		if sent.Date > 0 {
			out.SentAt = time.Unix(sent.Date, 0).UTC()
		}
	}
	return out
}

// Reaction is an emoji for a message.
type Reaction struct {
	ChatID    int64     // Telegram's id of the chat
	MessageID int64     // the id that this bot knows the message under
	Emoji     string    // in any form that reaction.Normalize understands; "" takes the reaction away
	NotAfter  time.Time // as a Message's
}

// SetReaction sets a bot's one reaction to a message. To set it again changes
// nothing, so it may be repeated after Unknown. An emoji that Telegram takes in
// no chat is refused without a call.
func (c *Client) SetReaction(ctx context.Context, token secret.String, r Reaction) Outcome {
	params := &bot.SetMessageReactionParams{ChatID: r.ChatID, MessageID: int(r.MessageID)}
	if r.Emoji != "" {
		emoji := reaction.Normalize(r.Emoji)
		if !reaction.Valid(emoji) {
			why := fmt.Sprintf("emoji: %q is no reaction of Telegram", r.Emoji)
			return Outcome{Kind: PermanentAction, ReactionInvalid: true, Description: clean(why, token.Reveal())}
		}
		params.Reaction = []models.ReactionType{{
			Type:              models.ReactionTypeTypeEmoji,
			ReactionTypeEmoji: &models.ReactionTypeEmoji{Emoji: emoji},
		}}
	}
	return c.callBy(ctx, r.NotAfter, token, nil, func(ctx context.Context) error {
		_, err := c.api.SetMessageReaction(ctx, params)
		return err //nolint:wrapcheck // shown as it is
	})
}

// SendTyping shows the bot typing in a chat, for five seconds or until it sends
// something.
func (c *Client) SendTyping(ctx context.Context, token secret.String, chatID int64) Outcome {
	return c.call(ctx, token, nil, func(ctx context.Context) error {
		_, err := c.api.SendChatAction(ctx, &bot.SendChatActionParams{ChatID: chatID, Action: models.ChatActionTyping})
		return err //nolint:wrapcheck // shown as it is
	})
}
