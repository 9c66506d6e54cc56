package bus

import (
	"fmt"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Follow calls told with each event of a subject, or of all with subject.Events, until stop
// is called. One goroutine makes all calls. told must not block: events that come faster
// than it returns are lost, and so are events during an outage of the connection. The rows
// are the truth.
func (b *Bus) Follow(of string, told func(subject string, event *chorusv1.Event)) (stop func(), err error) {
	sub, err := b.nc.Subscribe(of, func(m *nats.Msg) {
		event := &chorusv1.Event{}
		if err := proto.Unmarshal(m.Data, event); err != nil {
			b.log.Debug("an event can't be read", zap.String("subject", m.Subject), zap.Error(err))
			return
		}
		told(m.Subject, event)
	})
	if err != nil {
		return nil, fmt.Errorf("follow events: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // it fails only if the connection is closed
}
