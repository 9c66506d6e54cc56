package bus

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Passes tells whether an error says only that the bus is not there at the moment: a
// lost connection, a server without a leader, or no answer in time.
func Passes(err error) bool {
	for _, passing := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting,
		nats.ErrStaleConnection, nats.ErrNoServers, context.DeadlineExceeded,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	network, said := net.Error(nil), (*jetstream.APIError)(nil)
	return errors.As(err, &network) || errors.As(err, &said) && said.Code == http.StatusServiceUnavailable
}
