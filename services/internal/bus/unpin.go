package bus

import (
	"encoding/json"
	"fmt"
)

// unpin tells the server that this reader's turn at a consumer is over. nats.go
// offers it on a stream's handle only, with a look-up of the stream before it.
func (b *Bus) unpin(stream, consumer string) error {
	request, err := json.Marshal(map[string]string{"group": pinGroup})
	if err != nil {
		return err
	}
	return b.nc.Publish(fmt.Sprintf("$JS.API.CONSUMER.UNPIN.%s.%s", stream, consumer), request)
}
