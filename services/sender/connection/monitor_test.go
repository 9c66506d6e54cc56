package connection_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/chorus-cast/chorus/services/sender/connection"
)

// A Watch that ends during a probe leaves the probe to the next Watch.
func TestAProbeThatWasCutOffIsMadeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		probing := make(chan struct{}, 1)
		silent := true
		m := connection.New(func(ctx context.Context) error {
			if silent {
				probing <- struct{}{}
				<-ctx.Done()
			}
			return errors.New("no route to host")
		}, nil)
		for range connection.Suspicious {
			m.Called(false)
		}
		first, end := context.WithCancel(t.Context())
		go func() {
			<-probing
			end()
		}()
		m.Watch(first)

		silent = false
		lost := make(chan struct{})
		second, endSecond := context.WithCancel(t.Context())
		go func() {
			m.Watch(second)
			close(lost)
		}()
		synctest.Wait()
		select {
		case <-lost:
		default:
			t.Error("the connection is not found to be lost")
		}
		endSecond()
	})
}
