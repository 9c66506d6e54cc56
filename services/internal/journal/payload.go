package journal

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// decode reads a payload into a message. It is nil where there is none, and empty where
// nobody can read it.
func decode[M proto.Message](payload []byte, into M) M {
	var none M
	if payload == nil {
		return none
	}
	if err := proto.Unmarshal(payload, into); err != nil {
		proto.Reset(into)
	}
	return into
}

func encode(m proto.Message) ([]byte, error) {
	payload, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return payload, nil
}
