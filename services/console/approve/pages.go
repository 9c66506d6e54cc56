package approve

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
)

func (a *Area) index(w http.ResponseWriter, r *http.Request) {
	in := queueQuery{After: r.URL.Query().Get("after")}
	found, err := a.list.Call(r.Context(), &in)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	may := access.From(r.Context()).May(access.Director, true) == nil
	a.pages.Render(w, r, page.View{Title: "Approve", Section: "approve", Body: queue(found.Body, in.After, may)})
}

// form is a decision of a page.
func (a *Area) form(w http.ResponseWriter, r *http.Request) {
	done, err := a.decide(r.Context(), r)
	a.pages.Done(w, r, "/approve", done, err)
}

func (a *Area) decide(ctx context.Context, r *http.Request) (done string, err error) {
	chat, errChat := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	number, errNumber := strconv.ParseInt(chi.URLParam(r, "number"), 10, 64)
	version, errVersion := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if errChat != nil || errNumber != nil || errVersion != nil {
		return "", operation.ErrNotFound
	}
	of := TurnInput{ID: chat, Number: number}
	plain := decision{TurnInput: of}
	plain.Body.Version = version
	switch chi.URLParam(r, "act") {
	case "send":
		_, err = a.send.Call(ctx, &plain)
		return "It is on its way.", err
	case "discard":
		_, err = a.discard.Call(ctx, &plain)
		return "It is discarded.", err
	case "edit":
		in := editInput{TurnInput: of}
		in.Body.Version, in.Body.Text = version, r.PostFormValue("text")
		_, err = a.edit.Call(ctx, &in)
		return "What you wrote is on its way.", err
	case "rewrite":
		in := rewriteInput{TurnInput: of}
		in.Body.Version, in.Body.Note = version, r.PostFormValue("note")
		_, err = a.rewrite.Call(ctx, &in)
		return "It is being written again, and comes back here.", err
	}
	return "", operation.ErrNotFound
}

// whole is a text as one message.
func (t *Text) whole() string { return strings.Join(t.Parts, "\n") }
