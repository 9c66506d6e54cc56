package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The server's error codes for exceeded limits of the server or the account.
// https://github.com/nats-io/nats-server/blob/main/server/errors.json
const (
	accountExceeded     jetstream.ErrorCode = 10002
	noPeers             jetstream.ErrorCode = 10005
	insufficient        jetstream.ErrorCode = 10023
	tooManyConsumers    jetstream.ErrorCode = 10026
	tooManyStreams      jetstream.ErrorCode = 10027
	storageExceeded     jetstream.ErrorCode = 10047
	noReplicas          jetstream.ErrorCode = 10074
	noLimits            jetstream.ErrorCode = 10120
	maxPendingExceeded  jetstream.ErrorCode = 10121
	streamBytesExceeded jetstream.ErrorCode = 10122
)

// refusal explains why the server rejected a stream or consumer, with the remedy if there
// is one.
func refusal(what string, err error) error {
	said := (*jetstream.APIError)(nil)
	if errors.As(err, &said) {
		if remedy := remedies()[said.ErrorCode]; remedy != "" {
			return fmt.Errorf("declare %s: %w: %s", what, err, remedy)
		}
	}
	return fmt.Errorf("declare %s: %w", what, err)
}

// remedies returns the remedy for each error code. The code for an account that requires
// max_bytes is missing, because every stream has them.
func remedies() map[jetstream.ErrorCode]string {
	const (
		room     = "give NATS more room (max_file_store, or the account's limits), or set nats.max_bytes lower"
		replicas = "run as many servers as nats.replicas says, or set it to how many there are"
	)
	return map[jetstream.ErrorCode]string{
		accountExceeded:     room,
		storageExceeded:     room,
		insufficient:        room,
		streamBytesExceeded: "set nats.max_bytes to what the account allows for one stream, or let it have more (disk_max_stream_bytes)",
		tooManyStreams:      fmt.Sprintf("let the account have %d streams (max_streams)", len(streams(DefaultConfig()))),
		tooManyConsumers:    fmt.Sprintf("let the account have %d consumers (max_consumers)", len(queues())),
		maxPendingExceeded:  "let the account have 20000 unacknowledged messages (max_ack_pending)",
		noReplicas:          replicas,
		noPeers:             replicas,
		noLimits:            "let the account use JetStream with this number of replicas, or change nats.replicas",
	}
}

// Passes reports whether an error is temporary: a lost connection, a server without a
// leader, or no response in time.
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
