// Package fail sorts errors by what is to be done about them. A service's
// handlers return them, and one place turns them into an acknowledgement, a
// retry or a dead letter.
package fail

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Class is what an error calls for.
type Class int

// The classes, from an error that nobody classified to one that is final.
const (
	// Transient errors pass: try again later. An error of no class is transient.
	Transient Class = iota
	// Throttled errors are of a rate limit: whoever asks there waits for a while.
	Throttled
	// Unavailable errors are of what the work stands on, such as the database:
	// they say nothing about the work, and pass when that is back.
	Unavailable
	// Shutdown is not a failure: the process is going, another will do it.
	Shutdown
	// Permanent errors stay: trying again is useless.
	Permanent
)

// String is the class's name in logs and metrics.
func (c Class) String() string {
	switch c {
	case Transient:
		return "transient"
	case Throttled:
		return "throttled"
	case Unavailable:
		return "unavailable"
	case Shutdown:
		return "shutdown"
	case Permanent:
		return "permanent"
	}
	return "unclassified"
}

// Classified is an error that knows its class.
type Classified interface {
	error
	Failure() Class
}

type marked struct {
	error

	class Class
}

func (e *marked) Unwrap() error  { return e.error }
func (e *marked) Failure() Class { return e.class }

// AsPermanent marks an error as final. A nil error stays nil.
func AsPermanent(err error) error { return mark(Permanent, err) }

// AsTransient marks an error as one that passes. A nil error stays nil.
func AsTransient(err error) error { return mark(Transient, err) }

// AsUnavailable marks an error as one of what the work stands on. A nil error
// stays nil.
func AsUnavailable(err error) error { return mark(Unavailable, err) }

func mark(class Class, err error) error {
	if err == nil {
		return nil
	}
	return &marked{err, class}
}

// ClassOf is the class of the outermost Classified in an error. A cancelled context
// is a shutdown, a database that can't be connected to unavailable; a deadline
// that passed is transient.
func ClassOf(err error) Class {
	var c Classified
	var noDatabase *pgconn.ConnectError
	switch {
	case errors.As(err, &c):
		return c.Failure()
	case errors.As(err, &noDatabase):
		return Unavailable
	case errors.Is(err, context.Canceled):
		return Shutdown
	}
	return Transient
}
