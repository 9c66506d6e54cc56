package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Answer responds to requests on a subject, until stop is called.
func (b *Bus) Answer(subject string, answer func() []byte) (stop func(), err error) {
	sub, err := b.nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(answer()) }) // a lost response makes the requester ask again
	if err != nil {
		return nil, fmt.Errorf("answer on %s: %w", subject, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // it fails only if the connection is closed
}

// Ask sends a request to all who answer on a subject, and passes on their responses, until
// there are as many as wanted or the context ends. Fewer responses are no error.
func (b *Bus) Ask(ctx context.Context, subject string, wanted int, each func([]byte)) error {
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err == nil {
		defer func() { _ = sub.Unsubscribe() }()
		err = b.nc.PublishRequest(subject, inbox, nil)
	}
	if err != nil {
		return fmt.Errorf("ask on %s: %w", subject, err)
	}
	for range wanted {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil
		}
		if len(m.Data) > 0 { // an empty response means that there is no responder
			each(m.Data)
		}
	}
	return nil
}
