package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// RefusedError reports that a server, or a pooler in front of it, rejects this user,
// database or connection. Waiting doesn't help.
type RefusedError struct {
	// Said is the server's message, with PostgreSQL's error code if there is one.
	Said string
	// Remedy says what to do.
	Remedy string
}

func (e *RefusedError) Error() string { return "database.url: " + e.Said + ": " + e.Remedy }

// rule matches a refusal by the beginning of its error code and by words in its message.
type rule struct{ code, words, remedy string }

// rules returns the rules in order: the first match applies.
func rules() []rule {
	const (
		who       = "check the user and the password"
		which     = "create it, or name another"
		parameter = "take it out of the URL, or name it in the pooler's ignore_startup_parameters"
		// violation is PgBouncer's code for all its own messages, including outages of the
		// server, so the words decide.
		violation = "08P01"
	)
	return []rule{
		{code: "28", remedy: who},
		{code: "3D000", remedy: which},
		{code: "42501", remedy: "GRANT this user what it needs, or connect as the owner"},
		{code: violation, words: "unsupported startup parameter", remedy: parameter},
		{code: violation, words: "no such database", remedy: which},
		{code: violation, words: "no such user", remedy: who},
		{code: violation, words: "authentication failed", remedy: who},
		{code: violation, words: "transaction blocks not allowed in statement pooling mode", remedy: bySession},
	}
}

// Refusal returns a *RefusedError if the server rejects this user or database, without pgx'
// wrapping. It returns other errors unchanged.
func Refusal(err error) error {
	said := (*pgconn.PgError)(nil)
	if !errors.As(err, &said) {
		return err
	}
	for _, r := range rules() {
		if strings.HasPrefix(said.Code, r.code) && strings.Contains(said.Message, r.words) {
			return &RefusedError{Said: fmt.Sprintf("%s (%s)", said.Message, said.Code), Remedy: r.remedy}
		}
	}
	return err
}

// bySession is the remedy for a pooler in another mode.
const bySession = "Chorus listens, holds locks and prepares statements, for which a session must stay its own: " +
	"set pool_mode = session in the pooler, or connect to PostgreSQL itself"

// ownSessions returns an error unless the server responds, and a *RefusedError if a pooler
// shares a session of the server between connections. With a pool of one connection that
// can't be detected.
func ownSessions(ctx context.Context, pool *pgxpool.Pool) error {
	if pool.Config().MaxConns < 2 {
		return pool.Ping(ctx) //nolint:wrapcheck // what the server says is told as it is
	}
	one, err := NewSession(ctx, pool, nil)
	if err != nil {
		return err
	}
	defer one.Close(ctx)
	other, err := NewSession(ctx, pool, nil)
	if err != nil {
		return err
	}
	defer other.Close(ctx)
	before, err := backend(ctx, one)
	if err != nil {
		return err
	}
	// While the other connection is in a transaction, the pooler must give the first one a
	// different session.
	if _, err := other.PgConn().Exec(ctx, "BEGIN").ReadAll(); err != nil {
		return Refusal(err)
	}
	busy, err := backend(ctx, other)
	if err != nil {
		return err
	}
	after, err := backend(ctx, one)
	if err != nil {
		return err
	}
	if before == busy || before != after {
		return &RefusedError{Said: "the pooler gives a session to another connection with each transaction", Remedy: bySession}
	}
	return nil
}

// backend returns the process id of a connection's session in the server.
func backend(ctx context.Context, s *Session) (pid int, err error) {
	err = s.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	if err != nil {
		return 0, fmt.Errorf("ask for the session: %w", Refusal(err))
	}
	return pid, nil
}

// Passes reports whether an error is a temporary absence of the database: a lost or refused
// connection, a server that starts, stops or has no free connection, or no response in
// time.
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
	// pgx has no error value for it.
	return err != nil && strings.Contains(err.Error(), "conn closed")
}

// Away is Passes for callers with errors of other sources, too: it excludes plain
// time-outs, whose source is unknown.
func Away(err error) bool {
	connecting := (*pgconn.ConnectError)(nil)
	return errors.As(err, &connecting) || !errors.Is(err, context.DeadlineExceeded) && Passes(err)
}
