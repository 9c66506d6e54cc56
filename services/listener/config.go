package listener

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Config is how the listener behaves.
type Config struct {
	PublicURL    string        `config:"public_url" doc:"address under which Telegram reaches listener.listen, as https://HOST; empty to ask Telegram for updates instead (long polling)"`
	Listen       string        `config:"listen" doc:"address that takes the updates that Telegram brings, as HOST:PORT; only with listener.public_url"`
	ForwardedFor bool          `config:"forwarded_for" doc:"take who asks from the last address in X-Forwarded-For; only behind a proxy that writes it"`
	PerIP        float64       `config:"per_ip" doc:"requests a second that one address may make; refused ones count tenfold"`
	MaxBody      int64         `config:"max_body" doc:"longest update that is read, in bytes"`
	PollWait     time.Duration `config:"poll_wait" doc:"how long Telegram keeps a poll open"`
	Claim        time.Duration `config:"claim" doc:"how often a listener looks for bots of others that have died; only while others listen to some"`
	Yield        time.Duration `config:"yield" doc:"how long a bot is left alone whose updates somebody else takes (409)"`
	Operator     string        `config:"operator" doc:"who runs the bots and how to reach them, as /about tells in the chats"`
	Tidy         time.Duration `config:"tidy" doc:"how often messages are deleted that are older than their chat keeps them"`
}

// DefaultConfig asks Telegram for updates.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:8081", PerIP: 1000, MaxBody: 1 << 20, PollWait: 25 * time.Second,
		Claim: time.Second, Yield: 30 * time.Second, Tidy: 10 * time.Minute,
	}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	errs = append(errs, c.validatePublic())
	check(c.PerIP > 0 && c.PerIP <= 1e6, "per_ip: %v, want more than 0, at most 1000000", c.PerIP)
	check(c.MaxBody >= 64<<10 && c.MaxBody <= 64<<20, "max_body: %d, want 65536 to 67108864", c.MaxBody)
	check(c.PollWait >= time.Second && c.PollWait <= 50*time.Second, "poll_wait: %v, want 1s to 50s", c.PollWait)
	check(c.Claim >= 10*time.Millisecond && c.Claim <= time.Minute, "claim: %v, want 10ms to 1m", c.Claim)
	check(c.Yield > 0 && c.Yield <= time.Hour, "yield: %v, want more than 0s, at most 1h", c.Yield)
	check(len(c.Operator) <= 500, "operator: %d bytes, want at most 500", len(c.Operator))
	check(c.Tidy >= time.Second && c.Tidy <= 24*time.Hour, "tidy: %v, want 1s to 24h", c.Tidy)
	return errors.Join(errs...)
}

func (c Config) validatePublic() error {
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("public_url: want https://HOST, with a path if need be, or http:// for a Bot API server of one's own")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen: %q, want HOST:PORT", c.Listen)
	}
	return nil
}
