package listener

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// Config holds the settings of the listener.
type Config struct {
	PublicURL    string        `config:"public_url" doc:"address under which Telegram reaches listener.listen, as https://HOST; empty to ask Telegram for updates instead (long polling)"`
	Listen       string        `config:"listen" doc:"address that takes the updates that Telegram brings, as HOST:PORT; only with listener.public_url"`
	ForwardedFor bool          `config:"forwarded_for" doc:"take who asks from the last address in X-Forwarded-For; only behind a proxy that writes it"`
	PerIP        float64       `config:"per_ip" min:"0.001" max:"1000000" doc:"requests a second that one address may make; refused ones count tenfold"`
	MaxBody      int64         `config:"max_body" min:"65536" max:"67108864" doc:"longest update that is read, in bytes"`
	PollWait     time.Duration `config:"poll_wait" min:"1s" max:"50s" doc:"how long Telegram keeps a poll open"`
	Claim        time.Duration `config:"claim" min:"10ms" max:"1m" doc:"how often a listener looks for bots of others that have died; only while others listen to some"`
	Yield        time.Duration `config:"yield" min:"1ms" max:"1h" doc:"how long a bot is left alone whose updates somebody else takes (409)"`
	Operator     string        `config:"operator" max:"500" doc:"who runs the bots and how to reach them, as /about tells in the chats"`
	Tidy         time.Duration `config:"tidy" min:"1s" max:"24h" doc:"how often messages are deleted that are older than their chat keeps them"`
}

// DefaultConfig returns the settings for long polling.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:8081", PerIP: 1000, MaxBody: 1 << 20, PollWait: 25 * time.Second,
		Claim: time.Second, Yield: 30 * time.Second, Tidy: 10 * time.Minute,
	}
}

// Validate returns all mistakes, joined.
func (c Config) Validate() error {
	return errors.Join(config.Check(c), c.validatePublic())
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
