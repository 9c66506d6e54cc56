package bus

import "fmt"

// unpin tells the server that this reader's turn at a consumer is over. nats.go
// offers it on a stream's handle only, with a look-up of the stream before it.
func (b *Bus) unpin(stream, consumer string) error {
	request := fmt.Appendf(nil, `{"group":%q}`, pinGroup)
	if err := b.nc.Publish(fmt.Sprintf("$JS.API.CONSUMER.UNPIN.%s.%s", stream, consumer), request); err != nil {
		return fmt.Errorf("unpin %s: %w", consumer, err)
	}
	return nil
}
