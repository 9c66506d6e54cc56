package store

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Passes tells whether an error says only that the database is not there at the
// moment: a lost or refused connection, a server that starts, stops or has no
// connection to spare, or no answer in time.
func Passes(err error) bool {
	said, connecting, network := (*pgconn.PgError)(nil), (*pgconn.ConnectError)(nil), net.Error(nil)
	switch {
	case errors.As(err, &said):
		for _, class := range []string{"08", "53", "57P"} { // connection exceptions, no resources, operator's intervention
			if strings.HasPrefix(said.Code, class) {
				return true
			}
		}
		return false
	case errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &connecting), errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, context.DeadlineExceeded):
		return true
	}
	// pgx has no name for it.
	return err != nil && strings.Contains(err.Error(), "conn closed")
}

// Away is Passes for who has other errors than the database's, too: a time-out alone
// does not say whose it was.
func Away(err error) bool {
	connecting := (*pgconn.ConnectError)(nil)
	return errors.As(err, &connecting) || !errors.Is(err, context.DeadlineExceeded) && Passes(err)
}
