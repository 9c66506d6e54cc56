// Package operation holds what can be done by the console: each operation once, for its
// pages, the API, MCP and the tests of who may do what.
package operation

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/internal/audit"
)

// Operation describes an operation.
type Operation struct {
	// ID is its name, such as pause-chat: stable, and unique.
	ID string
	// Method and Path are the operation's route in the API, below /api/v1. Without a path only
	// pages offer it.
	Method, Path string
	// Summary is a sentence for people, Tag the part of the console it belongs to.
	Summary, Tag string
	// Role is the least that may do it.
	Role access.Role
	// Changes tells that it changes something: it is written into the audit log, and a
	// token that may only read can't do it.
	Changes bool
	// Spends tells that it may ask a model, which costs: a token that may only read can't do
	// it.
	Spends bool
	// Secret tells that its input must not be written down.
	Secret bool
}

// Allows is nil if somebody may do it, else the error that says why not.
func (op *Operation) Allows(who *access.Principal) error {
	return who.May(op.Role, op.Changes || op.Spends)
}

const (
	// MaxRequest limits a request, in bytes: a cast file, as a form escapes it.
	MaxRequest = 20 << 20
	// bodyTimeout limits the time for sending a request's body.
	bodyTimeout = 30 * time.Second
)

// The errors of operations. What they say is for people.
var (
	// ErrNotFound reports that the object doesn't exist.
	ErrNotFound = errors.New("there is no such thing")
	// ErrConflict reports that the object is not in the expected state.
	ErrConflict = errors.New("it has changed meanwhile")
)

// InvalidError reports a bad request: the field, its value and what is allowed.
type InvalidError struct{ Field, Value, Want string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Value + ", want " + e.Want }

// Invalid makes an error of a message that already names the field, value and what is
// allowed.
func Invalid(err error) error { return &mistake{err} }

type mistake struct{ error }

func (m *mistake) Unwrap() error { return m.error }

// Of is an operation with what does it.
type Of[I, O any] struct {
	Operation

	set *Set
	do  func(context.Context, *I) (*O, error)
}

// Set are the operations of a console.
type Set struct {
	Audit audit.Log
	Log   *zap.Logger
	all   []bound
}

type bound struct {
	Operation

	register func(huma.API)
}

// Add adds an operation to a set. What it is given has fields as huma reads them: path,
// query and Body. It must check all that it is given itself, because pages call it, too. It
// panics where huma would leave out a field.
func Add[I, O any](s *Set, op Operation, do func(context.Context, *I) (*O, error)) *Of[I, O] {
	for f := range reflect.TypeFor[I]().Fields() {
		if f.Anonymous && !f.IsExported() {
			panic(op.ID + ": huma reads nothing of " + f.Name + ", which is embedded and not exported")
		}
	}
	o := &Of[I, O]{op, s, do}
	if op.Path == "" {
		return o
	}
	s.all = append(s.all, bound{op, func(api huma.API) {
		huma.Register(api, huma.Operation{
			OperationID: op.ID, Method: op.Method, Path: "/api/v1" + op.Path, Summary: op.Summary, Tags: []string{op.Tag},
			Extensions:   map[string]any{"x-role": op.Role.String(), "x-changes": op.Changes, "x-spends": op.Spends},
			Errors:       []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
			Security:     []map[string][]string{{"token": {}}},
			MaxBodyBytes: MaxRequest, BodyReadTimeout: bodyTimeout,
			// Roles are checked before the request's body is read.
			Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
				if err := op.Allows(access.From(ctx.Context())); err != nil {
					problem := s.Problem(ctx.Context(), op.ID, err)
					_ = huma.WriteErr(api, ctx, problem.GetStatus(), problem.Error()) // nobody reads it then
					return
				}
				next(ctx)
			}},
		}, func(ctx context.Context, in *I) (*O, error) {
			out, err := o.Call(ctx, in)
			if err != nil {
				return nil, s.Problem(ctx, op.ID, err)
			}
			return out, nil
		})
	}})
	return o
}

// All are the operations that the API has.
func (s *Set) All() []Operation {
	all := make([]Operation, len(s.all))
	for i, b := range s.all {
		all[i] = b.Operation
	}
	return all
}

// Register adds the operations to an API.
func (s *Set) Register(api huma.API) {
	for _, b := range s.all {
		b.register(api)
	}
}

// Call does an operation for who asks, as the context says, if they may. Acts are written
// into the audit log.
func (o *Of[I, O]) Call(ctx context.Context, in *I) (out *O, err error) {
	who := access.From(ctx)
	if err := o.Allows(who); err != nil {
		return nil, err
	}
	defer func() { err = unfit(err) }()
	if !o.Changes {
		return o.do(ctx, in)
	}
	entry := &audit.Entry{Actor: who.Name, Origin: who.Origin, Via: who.Via, Operation: o.ID}
	if !o.Secret {
		entry.Input, _ = json.Marshal(in) // it came as JSON or a form
	}
	err = o.set.Audit.Do(ctx, entry, func(ctx context.Context) error {
		out, err = o.do(ctx, in)
		return err
	})
	if errors.Is(err, audit.ErrUntold) { // who asks again would do it twice
		o.set.Log.Error("an operation is done", zap.String("operation", o.ID), zap.Error(err))
		err = nil
	}
	return out, err
}

// unfit turns PostgreSQL's refusals of values, such as a text with a zero byte, into errors of
// the request. So no field needs a check of its own.
func unfit(err error) error {
	refused := (*pgconn.PgError)(nil)
	if errors.As(err, &refused) && slices.Contains([]string{"22021", "22P05", "22003", "22008"}, refused.Code) {
		return Invalid(errors.New("a text or number in it can't be kept: want texts without zero bytes, and numbers that are not too large"))
	}
	return err
}

// Failed tells the log of what is no mistake of who asks; where they have left meanwhile, it
// is most likely their leaving that made it fail, and nobody's concern.
func Failed(ctx context.Context, log *zap.Logger, what string, fields ...zap.Field) {
	level := zap.ErrorLevel
	if errors.Is(ctx.Err(), context.Canceled) {
		level = zap.DebugLevel
	}
	log.Log(level, what, fields...)
}

// Problem returns the API's response for an error (RFC 9457). Errors that the caller didn't
// cause are only logged.
func (s *Set) Problem(ctx context.Context, operation string, err error) huma.StatusError {
	status := Status(err)
	if status == http.StatusInternalServerError {
		Failed(ctx, s.Log, "an operation failed", zap.String("operation", operation), zap.Error(err))
		return huma.Error500InternalServerError("it could not be done; the console's log says why")
	}
	return huma.NewError(status, err.Error())
}

// Refuse answers with a problem, where no operation does.
func Refuse(w http.ResponseWriter, problem huma.StatusError) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if problem.GetStatus() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(problem.GetStatus())
	_ = json.NewEncoder(w).Encode(problem) // who does not listen need not be told
}

// Status is the HTTP status of an error.
func Status(err error) int {
	var invalid *InvalidError
	var wrong *mistake
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, access.ErrAnonymous):
		return http.StatusUnauthorized
	case errors.Is(err, access.ErrForbidden):
		return http.StatusForbidden
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, ErrConflict):
		return http.StatusConflict
	case errors.Is(err, ErrStale):
		return http.StatusPreconditionFailed
	case errors.As(err, &invalid), errors.As(err, &wrong):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}
