// Package access holds the caller of a request, and the rights of roles.
package access

import (
	"context"
	"errors"
	"fmt"
)

// Role is a set of rights. Each role includes the rights of those before it.
type Role int

// The roles, from the least.
const (
	// Viewer sees everything but secrets and accounts.
	Viewer Role = iota + 1
	// Editor also changes bots, personas, memories and lore.
	Editor
	// Director also directs: speaks, mutes, pauses, approves, replays, changes settings.
	Director
	// Admin also runs the installation: keys, people, tokens, users below owners.
	Admin
	// Owner also makes and unmakes admins and owners.
	Owner
)

// Roles are all, from the least.
func Roles() []Role { return []Role{Viewer, Editor, Director, Admin, Owner} }

// names are the roles' names in the database, the API and on pages.
var names = map[Role]string{Viewer: "viewer", Editor: "editor", Director: "director", Admin: "admin", Owner: "owner"} //nolint:gochecknoglobals // constant

// String is the role's name.
func (r Role) String() string { return names[r] }

// ParseRole reads a role's name.
func ParseRole(name string) (Role, error) {
	for r, n := range names {
		if n == name {
			return r, nil
		}
	}
	return 0, fmt.Errorf("role: %.40q, want owner, admin, director, editor or viewer", name)
}

// Principal is the caller of a request.
type Principal struct {
	// User is Chorus' id of the user; 0 for who needs no login, in the demo.
	User int64
	// Name is the user's name, followed by a slash and the token's name if a token was used.
	Name string
	Role Role
	// ReadOnly marks tokens that may change nothing and call no model, whatever their role.
	ReadOnly bool
	// Origin is the address that the request came from, and Via how: console, api or mcp.
	Origin, Via string
}

// The errors of who may not.
var (
	// ErrAnonymous reports that the request has no login.
	ErrAnonymous = errors.New("log in first")
	// ErrForbidden reports that the caller's role doesn't allow the operation.
	ErrForbidden = errors.New("your role does not allow it")
)

// May checks that the caller has at least a role. With acts, the operation changes something
// or costs money, which read-only tokens may not. A nil principal may do nothing.
func (p *Principal) May(least Role, acts bool) error {
	switch {
	case p == nil:
		return ErrAnonymous
	case p.Role < least:
		return fmt.Errorf("%w: it needs the role %s, and %s has the role %s", ErrForbidden, least, p.Name, p.Role)
	case acts && p.ReadOnly:
		return fmt.Errorf("%w: the token of %s may only read", ErrForbidden, p.Name)
	}
	return nil
}

type key struct{}

// With puts who asks into a context.
func With(ctx context.Context, p *Principal) context.Context { return context.WithValue(ctx, key{}, p) }

// From returns the caller; nil for none.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(key{}).(*Principal)
	return p
}
