package news

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config configures the feeds.
type Config struct {
	Feeds   []string      `config:"feeds" doc:"RSS and Atom feeds, each TOPIC=URL; the topic is one of a chat's, or * for all"`
	Every   time.Duration `config:"every" min:"1m" max:"24h" doc:"how often each feed is asked for what is new"`
	Timeout time.Duration `config:"timeout" min:"1s" max:"1m" doc:"longest time for one feed, from dialling to the last byte"`
	MaxSize int64         `config:"max_bytes" min:"1024" max:"67108864" doc:"longest feed that is read, in bytes"`
	MaxAge  time.Duration `config:"max_age" min:"1h" max:"720h" doc:"how old a headline may be that a bot takes up"`
	Private bool          `config:"allow_private" doc:"let feeds be on addresses of private networks and of this machine"`
}

// DefaultConfig has no feeds.
func DefaultConfig() Config {
	return Config{Every: 15 * time.Minute, Timeout: 15 * time.Second, MaxSize: 2 << 20, MaxAge: 48 * time.Hour}
}

// Validate joins all errors.
func (c Config) Validate() error {
	var errs []error
	for _, f := range c.Feeds {
		topic, address, found := strings.Cut(f, "=")
		u, err := url.Parse(address)
		if !found || topic == "" || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			errs = append(errs, fmt.Errorf("news.feeds: %q, want TOPIC=URL with http:// or https:// and no password", f))
		}
	}
	return errors.Join(errs...)
}

// feeds returns the addresses of a topic's feeds; of all topics for "".
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
