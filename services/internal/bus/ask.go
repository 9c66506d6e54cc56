package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Answer answers whoever asks on a subject, until stop is called.
func (b *Bus) Answer(subject string, answer func() []byte) (stop func(), err error) {
	sub, err := b.nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(answer()) }) // who asked asks again
	if err != nil {
		return nil, fmt.Errorf("answer on %s: %w", subject, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // it only fails where the connection is closed
}

// Ask asks all who answer on a subject, and gives each answer, until there are as many as are
// wanted or the context ends. That fewer answer is no error.
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
		if len(m.Data) > 0 { // else nobody answers on it
			each(m.Data)
		}
	}
	return nil
}
