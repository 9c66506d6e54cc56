package news

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config says where headlines come from.
type Config struct {
	Feeds   []string      `config:"feeds" doc:"RSS and Atom feeds, each TOPIC=URL; the topic is one of a chat's, or * for all"`
	Every   time.Duration `config:"every" doc:"how often each feed is asked for what is new"`
	Timeout time.Duration `config:"timeout" doc:"longest time for one feed, from dialling to the last byte"`
	MaxSize int64         `config:"max_bytes" doc:"longest feed that is read, in bytes"`
	MaxAge  time.Duration `config:"max_age" doc:"how old a headline may be that a bot takes up"`
	Private bool          `config:"allow_private" doc:"let feeds be on addresses of private networks and of this machine"`
}

// DefaultConfig has no feeds.
func DefaultConfig() Config {
	return Config{Every: 15 * time.Minute, Timeout: 15 * time.Second, MaxSize: 2 << 20, MaxAge: 48 * time.Hour}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, f := range c.Feeds {
		topic, address, found := strings.Cut(f, "=")
		u, err := url.Parse(address)
		check(found && topic != "" && err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil,
			"news.feeds: %q, want TOPIC=URL with http:// or https:// and no password", f)
	}
	check(c.Every >= time.Minute && c.Every <= 24*time.Hour, "news.every: %v, want 1m to 24h", c.Every)
	check(c.Timeout >= time.Second && c.Timeout <= time.Minute, "news.timeout: %v, want 1s to 1m", c.Timeout)
	check(c.MaxSize >= 1024 && c.MaxSize <= 64<<20, "news.max_bytes: %d, want 1024 to %d", c.MaxSize, 64<<20)
	check(c.MaxAge >= time.Hour && c.MaxAge <= 30*24*time.Hour, "news.max_age: %v, want 1h to 720h", c.MaxAge)
	return errors.Join(errs...)
}

// feeds are the addresses of a topic's feeds; of all topics if it is "".
func (c Config) feeds(topic string) []string {
	var urls []string
	for _, f := range c.Feeds {
		of, address, _ := strings.Cut(f, "=")
		if topic == "" || of == "*" || strings.EqualFold(of, topic) {
			urls = append(urls, address)
		}
	}
	return urls
}
