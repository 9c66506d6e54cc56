// Package ops provides a service's HTTP port for operators: liveness, readiness and
// metrics.
package ops

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Config holds the port's address and its access rules.
//
// /healthz and /readyz respond to anyone. /metrics, /debug/pprof, paths added by Show and
// the reasons in /readyz require the token, as "Authorization: Bearer TOKEN", if there is
// one. An address that isn't loopback requires a token or MetricsOpen.
type Config struct {
	Listen       string        `config:"listen" doc:"address of /healthz, /readyz and /metrics, as HOST:PORT; port 0 takes any"`
	MetricsToken secret.String `config:"metrics_token" doc:"token that /metrics wants on an address that others can reach"`
	MetricsOpen  bool          `config:"metrics_open" doc:"let anyone who can reach the address read /metrics"`
	Pprof        bool          `config:"pprof" doc:"serve Go's profiles at /debug/pprof, to whoever may read /metrics"`
}

// minToken is the minimum length of a token: 16 random characters can't be guessed.
const minToken = 16

// DefaultConfig returns a port for this machine only.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:9464"} }

// Validate returns all mistakes, joined.
func (c Config) Validate() error {
	var errs []error
	if err := checkAddress(c.Listen); err != nil {
		errs = append(errs, err)
	} else if !loopback(c.Listen) && c.MetricsToken.Empty() && !c.MetricsOpen {
		errs = append(errs, fmt.Errorf("metrics_token: is empty, want a token, or metrics_open: true, because listen %q can be reached by others", c.Listen))
	}
	if c.MetricsOpen && !c.MetricsToken.Empty() {
		errs = append(errs, errors.New("metrics_open: true, want false where there is a metrics_token"))
	}
	if token := c.MetricsToken.Reveal(); token != "" && len(token) < minToken {
		errs = append(errs, fmt.Errorf("metrics_token: is %d characters long, want %d or more", len(token), minToken))
	}
	return errors.Join(errs...)
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("listen: %q, want HOST:PORT such as 127.0.0.1:9464, or :9464 for every address", address)
	}
	return nil
}

// loopback reports whether only this machine can reach an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
