package console

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/chorus-cast/chorus/services/console/account"
	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// Config configures the console's addresses and logins.
type Config struct {
	Listen       string        `config:"listen" doc:"address of the console, as HOST:PORT"`
	AnyPort      bool          `config:"any_port" doc:"take a free port where the one of listen is in use"`
	PublicURL    string        `config:"public_url" doc:"address under which browsers reach it, as https://HOST; empty for that of console.listen"`
	ForwardedFor bool          `config:"forwarded_for" doc:"take who asks from the last address in X-Forwarded-For; only behind a proxy that writes it"`
	Session      time.Duration `config:"session" min:"5m" max:"720h" doc:"how long a login lasts at most; unused it ends after a twelfth of that"`
	Open         bool          `config:"open" doc:"need no login: whoever can reach it may do everything; only on loopback, as in the demo"`
	OIDC         account.OIDC  `config:"oidc"`
}

// DefaultConfig is reached from this machine only, with a login.
func DefaultConfig() Config {
	return Config{Listen: "127.0.0.1:8090", Session: 24 * time.Hour, OIDC: account.DefaultOIDC()}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	return errors.Join(config.Check(c), c.validateAddresses(), c.OIDC.Validate())
}

func (c Config) validateAddresses() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q, want HOST:PORT", c.Listen)
	}
	if c.Open && !loopback(host) {
		return fmt.Errorf("open: is true, but console.listen is %s: want an address of loopback, or a login", c.Listen)
	}
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return fmt.Errorf("public_url: %q, want https://HOST without a path; http:// only for localhost", c.PublicURL)
	}
	return nil
}

// URL returns the address for browsers. It uses localhost for this machine, because browsers
// allow no passkeys at an IP address.
func (c Config) URL() string {
	at := cmp.Or(c.PublicURL, "http://"+c.Listen)
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" {
		return at
	}
	switch u.Hostname() {
	case "", "127.0.0.1", "::1", "0.0.0.0", "::":
		if port := u.Port(); port != "" {
			return "http://localhost:" + port
		}
		return "http://localhost"
	}
	return at
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
