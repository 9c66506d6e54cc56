package account

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
)

type (
	listInput struct {
		After int64 `query:"after" minimum:"0" doc:"the id after which to go on"`
		Limit int   `query:"limit" minimum:"1" maximum:"200" default:"100"`
	}
	userList struct {
		Body struct {
			Users []User `json:"users" doc:"by id"`
			Next  int64  `json:"next,omitempty" doc:"what to give as after for more; absent at the end"`
		}
	}
	invitation struct {
		Body struct {
			Role string `json:"role" enum:"owner,admin,director,editor,viewer"`
		}
	}
	// linkMade is a link; it is told once.
	linkMade struct {
		Body struct {
			Link      string    `json:"link" doc:"for whoever is meant; it works once"`
			ExpiresAt time.Time `json:"expires_at"`
		}
	}
	userChange struct {
		operation.Seen

		ID   int64 `path:"id"`
		Body struct {
			Role     string `json:"role,omitempty" enum:"owner,admin,director,editor,viewer" doc:"absent to leave it"`
			Disabled *bool  `json:"disabled,omitempty" doc:"absent to leave it"`
		}
	}
	userOutput struct{ Body User }
	idInput    struct {
		ID int64 `path:"id"`
	}
	nothing struct{}
)

// operations are the operations on accounts. Only pages offer those on one's own account: a
// stolen token must not be able to make another one.
type operations struct {
	list   *operation.Of[listInput, userList]
	invite *operation.Of[invitation, linkMade]
	change *operation.Of[userChange, userOutput]
	renew  *operation.Of[idInput, linkMade]
	remove *operation.Of[idInput, nothing]

	password    *operation.Of[passwordInput, nothing]
	setCodes    *operation.Of[codesInput, nothing]
	dropCodes   *operation.Of[nothing, nothing]
	addPasskey  *operation.Of[passkeyInput, nothing]
	dropPasskey *operation.Of[passkeyID, nothing]
	makeToken   *operation.Of[tokenInput, tokenOutput]
	dropToken   *operation.Of[idInput, nothing]
	endSession  *operation.Of[sessionInput, nothing]
	endSessions *operation.Of[nothing, nothing]
}

func (a *Area) addOperations() {
	admin := func(id, method, path, summary string) operation.Operation {
		return operation.Operation{ID: id, Method: method, Path: path, Summary: summary, Tag: "accounts", Role: access.Admin, Changes: method != http.MethodGet}
	}
	own := func(id, summary string) operation.Operation {
		return operation.Operation{ID: id, Summary: summary, Tag: "accounts", Role: access.Viewer, Changes: true, Secret: true}
	}
	link := func(id, path, summary string) operation.Operation {
		op := admin(id, http.MethodPost, path, summary)
		op.Secret = true
		return op
	}
	a.ops = operations{
		list:   operation.Add(a.set, admin("list-users", http.MethodGet, "/users", "List who may use the console"), a.list),
		invite: operation.Add(a.set, link("invite-user", "/users/invitations", "Make a link with which somebody makes an account"), a.invite),
		change: operation.Add(a.set, admin("change-user", http.MethodPatch, "/users/{id}", "Give a user another role, or disable them"), a.change),
		renew:  operation.Add(a.set, link("renew-login", "/users/{id}/link", "Make a link with which a user sets their login anew"), a.renew),
		remove: operation.Add(a.set, admin("remove-user", http.MethodDelete, "/users/{id}", "Remove a user"), a.remove),

		password:    operation.Add(a.set, own("change-password", "Change one's password"), a.changePassword),
		setCodes:    operation.Add(a.set, own("set-codes", "Ask for a code of an authenticator at each login"), a.setCodes),
		dropCodes:   operation.Add(a.set, own("drop-codes", "Ask for no code any more"), a.dropCodes),
		addPasskey:  operation.Add(a.set, own("add-passkey", "Add a passkey"), a.addPasskey),
		dropPasskey: operation.Add(a.set, own("drop-passkey", "Remove a passkey"), a.dropPasskey),
		makeToken:   operation.Add(a.set, own("make-token", "Make an API token"), a.makeToken),
		dropToken:   operation.Add(a.set, own("drop-token", "End an API token"), a.dropToken),
		endSession:  operation.Add(a.set, own("end-session", "Log out one of one's sessions"), a.endSession),
		endSessions: operation.Add(a.set, own("end-sessions", "Log out everywhere else"), a.endSessions),
	}
}

func (a *Area) list(ctx context.Context, in *listInput) (*userList, error) {
	limit := min(max(in.Limit, 1), 200)
	found, err := a.users(ctx, in.After, limit)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i].ETag = operation.ETag(found[i].state())
	}
	var out userList
	if out.Body.Users = found; len(found) == limit {
		out.Body.Next = found[limit-1].ID
	}
	return &out, nil
}

// role parses a role that the caller may grant.
func role(ctx context.Context, name string) (access.Role, error) {
	r, err := access.ParseRole(name)
	if err != nil {
		return 0, operation.Invalid(err)
	}
	return r, mayRule(access.From(ctx), r)
}

func (a *Area) invite(ctx context.Context, in *invitation) (*linkMade, error) {
	r, err := role(ctx, in.Body.Role)
	if err != nil {
		return nil, err
	}
	audit.Note(ctx, "invitation", nil, in.Body)
	return a.linkFor(ctx, r, 0)
}

func (a *Area) linkFor(ctx context.Context, role access.Role, user int64) (*linkMade, error) {
	var out linkMade
	out.Body.ExpiresAt = a.Now().Add(invitedFor)
	path, err := link(ctx, a.Pool, role, access.From(ctx).Name, out.Body.ExpiresAt, user)
	if err != nil {
		return nil, err
	}
	out.Body.Link = a.URL() + path
	return &out, nil
}

func (a *Area) change(ctx context.Context, in *userChange) (*userOutput, error) {
	before, after, err := a.alter(ctx, in.ID, func(u User) (c change, err error) {
		if err := in.Check("user "+u.Name, u.state(), u.state()); err != nil {
			return c, err
		}
		if c.role, err = access.ParseRole(u.Role); err != nil {
			return c, err
		}
		if in.Body.Role != "" {
			if c.role, err = role(ctx, in.Body.Role); err != nil {
				return c, err
			}
		}
		c.disabled = u.Disabled
		if in.Body.Disabled != nil {
			c.disabled = *in.Body.Disabled
		}
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	audit.Note(ctx, "user "+before.Name, before, after)
	return &userOutput{after}, nil
}

func (a *Area) renew(ctx context.Context, in *idInput) (*linkMade, error) {
	u, err := user(ctx, a.Pool, in.ID)
	if err != nil {
		return nil, err
	}
	r, err := role(ctx, u.Role)
	if err != nil {
		return nil, err
	}
	audit.Note(ctx, "user "+u.Name, nil, nil)
	return a.linkFor(ctx, r, u.ID)
}

func (a *Area) remove(ctx context.Context, in *idInput) (*nothing, error) {
	before, _, err := a.alter(ctx, in.ID, func(u User) (c change, err error) {
		c.removed = true
		c.role, err = access.ParseRole(u.Role)
		return c, err
	})
	if err != nil {
		return nil, err
	}
	audit.Note(ctx, "user "+before.Name, before, nil)
	return &nothing{}, nil
}

const accountsPath = "/accounts"

// userPages adds the pages of users.
func (a *Area) userPages(r chi.Router) {
	r.Get(accountsPath, func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64) // none is 0
		found, err := a.ops.list.Call(r.Context(), &listInput{After: after, Limit: 100})
		a.pages.Show(w, r, err, func() page.View {
			return page.View{Title: "Accounts", Section: "accounts", Body: users(access.From(r.Context()), found.Body.Users, found.Body.Next)}
		})
	})
	r.Post(accountsPath+"/invitations", func(w http.ResponseWriter, r *http.Request) {
		in := &invitation{}
		in.Body.Role = field(r, "role")
		a.showLink(w, r, "Invitation")(a.ops.invite.Call(r.Context(), in))
	})
	r.Post(accountsPath+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		in := &userChange{ID: pathID(r), Seen: operation.Seen{Match: field(r, "match")}}
		switch in.Body.Role = field(r, "role"); field(r, "disabled") {
		case "true", "false":
			disabled := field(r, "disabled") == "true"
			in.Body.Disabled = &disabled
		}
		out, err := a.ops.change.Call(r.Context(), in)
		done := ""
		if err == nil {
			done = fmt.Sprintf("%s is %s now.", out.Body.Name, state(&out.Body))
		}
		a.pages.Done(w, r, accountsPath, done, err)
	})
	r.Post(accountsPath+"/{id}/link", func(w http.ResponseWriter, r *http.Request) {
		a.showLink(w, r, "New login")(a.ops.renew.Call(r.Context(), &idInput{pathID(r)}))
	})
	r.Post(accountsPath+"/{id}/remove", func(w http.ResponseWriter, r *http.Request) {
		_, err := a.ops.remove.Call(r.Context(), &idInput{pathID(r)})
		a.pages.Done(w, r, accountsPath, "The user is removed.", err)
	})
}

// state is a user's role, or that there is none for now.
func state(u *User) string {
	if u.Disabled {
		return "disabled"
	}
	return u.Role
}

// pathID is the id in a path; 0, which nothing has, for none.
func pathID(r *http.Request) int64 {
	id, _ := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	return id
}

// showLink shows a link, once.
func (a *Area) showLink(w http.ResponseWriter, r *http.Request, title string) func(*linkMade, error) {
	return func(out *linkMade, err error) {
		if err != nil {
			a.pages.Done(w, r, accountsPath, "", err)
			return
		}
		what := "Give this link to whoever is meant. It works once, until " + page.Clock(out.Body.ExpiresAt) + " UTC, and is not shown again."
		a.pages.Render(w, r, page.View{Title: title, Section: "accounts", Body: shown(out.Body.Link, what, accountsPath)})
	}
}
