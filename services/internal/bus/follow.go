package bus

import (
	"fmt"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Follow calls told with each event of a subject that services tell, or of all with
// subject.Events, and its subject, until stop is called. It is called by one goroutine, and must not wait: events that come faster than
// they are taken are lost, as are those while the connection is. The rows are the truth.
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
	return func() { _ = sub.Unsubscribe() }, nil // it only fails where the connection is closed
}
