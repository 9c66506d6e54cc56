// Package fail classifies errors by the reaction that they need. The handlers of a service
// return them, and one place turns them into an acknowledgement, a retry or a dead letter.
package fail

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Class is the class of an error.
type Class int

// The classes, from unclassified errors to final ones.
const (
	// Transient errors are temporary: try again later. Unclassified errors are transient.
	Transient Class = iota
	// Throttled errors come from a rate limit: its caller must wait.
	Throttled
	// Unavailable errors come from a dependency such as the database. They say nothing
	// about the work, and end when the dependency is back.
	Unavailable
	// Shutdown is no failure: the process is stopping, and another will do the work.
	Shutdown
	// Permanent errors are final: trying again is useless.
	Permanent
)

// String returns the class's name in logs and metrics.
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

// AsPermanent classifies an error as permanent. nil stays nil.
func AsPermanent(err error) error { return mark(Permanent, err) }

// AsTransient classifies an error as transient. nil stays nil.
func AsTransient(err error) error { return mark(Transient, err) }

// AsUnavailable classifies an error as one of a dependency. nil stays nil.
func AsUnavailable(err error) error { return mark(Unavailable, err) }

func mark(class Class, err error) error {
	if err == nil {
		return nil
	}
	return &marked{err, class}
}

// ClassOf returns the class of the outermost Classified in an error. A cancelled context is
// Shutdown, a failed connection to the database is Unavailable, and a passed deadline is
// Transient.
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
