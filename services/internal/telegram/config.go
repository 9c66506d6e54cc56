package telegram

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// OfficialURL is Telegram's own Bot API.
const OfficialURL = "https://api.telegram.org"

// Config says where the Bot API is and how long its calls may take.
type Config struct {
	URL            string        `config:"url" doc:"the Bot API's address; empty for https://api.telegram.org, in chorus up for the emulator"`
	ConnectTimeout time.Duration `config:"connect_timeout" doc:"longest time for a connection, and again for its TLS handshake; nothing was sent when it is over"`
	Timeout        time.Duration `config:"timeout" doc:"longest time from a connection to the whole answer; the outcome is unknown when it is over"`
	MaxIdle        int           `config:"max_idle" doc:"connections that are kept for the next calls"`
}

// DefaultConfig is Telegram's own Bot API. The Bot API server sits out up to 8 s
// of flood control within a call, so a time-out near 10 s would turn slow
// successes into unknown outcomes.
func DefaultConfig() Config {
	return Config{
		ConnectTimeout: 5 * time.Second,
		Timeout:        35 * time.Second,
		MaxIdle:        512,
	}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	errs := []error{validateURL(c.URL)}
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

// validateURL never repeats the URL: people put credentials into it.
func validateURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("url: is no URL, want http://HOST:PORT or https://HOST:PORT")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return errors.New("url: want http://HOST:PORT or https://HOST:PORT")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("url: must have no query or fragment")
	}
	return nil
}
