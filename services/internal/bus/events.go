package bus

import (
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Tell tells live followers what was committed. It does not wait for the bus, and nothing
// depends on it: who is not told finds the rows.
func (b *Bus) Tell(subject string, event *chorusv1.Event) {
	if len(event.GetTurns())+len(event.GetChats()) == 0 || !b.nc.IsConnected() {
		return
	}
	payload, err := proto.Marshal(event)
	if err == nil {
		err = b.nc.Publish(subject, payload)
	}
	if err != nil {
		b.log.Debug("live followers were not told", zap.String("subject", subject), zap.Error(err))
	}
}
