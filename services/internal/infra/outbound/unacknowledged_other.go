//go:build !linux

package outbound

import (
	"syscall"
	"time"
)

func giveUpAfter(syscall.RawConn, time.Duration) error { return nil }
