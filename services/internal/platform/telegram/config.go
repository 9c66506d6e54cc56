package telegram

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// OfficialURL is the address of Telegram's own Bot API.
const OfficialURL = "https://api.telegram.org"

// Config holds the Bot API's address and the limits of its calls.
type Config struct {
	URL            string        `config:"url" doc:"the Bot API's address; empty for https://api.telegram.org, in chorus up for the emulator"`
	Emulated       bool          `config:"emulated" doc:"the Bot API at telegram.url is Chorus' emulator: chorus apply makes in it the bots and chats that a cast file names"`
	ConnectTimeout time.Duration `config:"connect_timeout" doc:"longest time for a connection, and again for its TLS handshake; nothing was sent when it is over"`
	Timeout        time.Duration `config:"timeout" doc:"longest time from a connection to the whole answer; the outcome is unknown when it is over"`
	MaxIdle        int           `config:"max_idle" doc:"connections that are kept for the next calls"`
}

// DefaultConfig returns the settings for Telegram's own Bot API. The Bot API server waits
// up to 8 s of flood control within a call, so a time-out near 10 s would turn slow
// successes into unknown outcomes.
func DefaultConfig() Config {
	return Config{
		ConnectTimeout: 5 * time.Second,
		Timeout:        35 * time.Second,
		MaxIdle:        512,
	}
}

// Validate returns all mistakes, joined.
func (c Config) Validate() error {
	errs := []error{validateURL(c.URL)}
	if c.Emulated && c.URL == "" {
		errs = append(errs, errors.New("emulated: is true without an address, want telegram.url, too"))
	}
	if c.ConnectTimeout <= 0 || c.ConnectTimeout > time.Minute {
		errs = append(errs, fmt.Errorf("connect_timeout: %v, want more than 0s, at most 1m", c.ConnectTimeout))
	}
	if c.Timeout <= 0 || c.Timeout > 5*time.Minute {
		errs = append(errs, fmt.Errorf("timeout: %v, want more than 0s, at most 5m", c.Timeout))
	}
	if c.MaxIdle < 1 || c.MaxIdle > 10_000 {
		errs = append(errs, fmt.Errorf("max_idle: %d, want 1 to 10000", c.MaxIdle))
	}
	return errors.Join(errs...)
}

// botPath matches a path with the part that each call adds: /bot at its end, or /bot with a
// token or a placeholder anywhere.
const botPath = `(?i)(^|/)bot(/*$|([0-9]+|[0-9]*:[^/]*|<[^/]*>|\{[^/]*\}|token)(/|$))`

// validateURL checks an address. Its errors never repeat it, because people put credentials
// and tokens into it.
func validateURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("url: is no URL, want http://HOST:PORT or https://HOST:PORT")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return errors.New("url: want http://HOST:PORT or https://HOST:PORT, with the path before /bot if the server has one")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("url: must have no query or fragment")
	case regexp.MustCompile(botPath).MatchString(u.Path):
		return errors.New("url: leave out /bot and what follows it: each call adds that, with the bot's token")
	}
	return validateHost(u)
}

// validateHost rejects hosts of Telegram that aren't the Bot API.
func validateHost(u *url.URL) error {
	const domain = ".telegram.org"
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch {
	case !strings.HasSuffix("."+host, domain):
		return nil // a self-hosted server, which may have a path
	case "https://"+host != OfficialURL:
		return fmt.Errorf("url: is not the Bot API's host: leave it empty, or want %s", OfficialURL)
	case u.Scheme != "https":
		return fmt.Errorf("url: would send tokens in clear: want %s", OfficialURL)
	case strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("url: Telegram's own Bot API has no path: leave it empty, or want %s", OfficialURL)
	}
	return nil
}
