package ops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// Listen opens a TCP port. Its errors name the address and the option that sets
// it, such as ops.listen.
func Listen(ctx context.Context, address, option string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		return listener, nil
	}
	reason := err.Error()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		reason = "is in use by another program"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		reason = "is no address of this machine"
	case errors.Is(err, syscall.EACCES):
		reason = "needs rights that this user does not have"
	}
	return nil, &listenError{
		text: fmt.Sprintf("%s: %s %s, set another with --%s", option, address, reason, strings.ReplaceAll(option, "_", "-")),
		err:  err,
	}
}

// listenError says for the user what the cause says for the program.
type listenError struct {
	text string
	err  error
}

func (e *listenError) Error() string { return e.text }
func (e *listenError) Unwrap() error { return e.err }
