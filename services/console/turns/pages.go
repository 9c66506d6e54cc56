package turns

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
)

func (a *Area) listPage(w http.ResponseWriter, r *http.Request) {
	f, err := filterOf(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	found, err := a.list.Call(r.Context(), &f)
	a.pages.Show(w, r, err, func() page.View {
		return page.View{Title: "Turns", Section: "turns", Body: list(f, found.Body, a.may(r))}
	})
}

func (a *Area) turnPage(w http.ResponseWriter, r *http.Request) {
	in, err := turnOf(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	found, err := a.show.Call(r.Context(), in)
	a.pages.Show(w, r, err, func() page.View {
		t := &found.Body
		title := fmt.Sprintf("Turn %d of %s", t.Number, called(t.ChatTitle, t.ChatName))
		return page.View{Title: title, Section: "turns", Body: story(t, a.may(r))}
	})
}

func turnOf(r *http.Request) (*turnQuery, error) {
	chat, errChat := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	number, errNumber := strconv.ParseInt(chi.URLParam(r, "number"), 10, 64)
	if errChat != nil || errNumber != nil {
		return nil, operation.ErrNotFound
	}
	return &turnQuery{chat, number}, nil
}

// may reports whether the caller may replay and end turns.
func (*Area) may(r *http.Request) bool {
	return access.From(r.Context()).May(access.Director, true) == nil
}

func called(title, name string) string {
	if title == "" {
		return name
	}
	return title
}

// view is a list of turns that people often want. Its address is all that there is of it.
type view struct{ name, query string }

func views() []view {
	all := []view{{"all", ""}}
	for _, o := range outcomes() {
		all = append(all, view{strings.ReplaceAll(o, "_", " "), "outcome=" + o})
	}
	return all
}

// tone is the class of an outcome.
func tone(outcome string) string {
	switch outcome {
	case "dead", "rejected", "unknown":
		return "tag bad"
	case "expired", "fell_back":
		return "tag warn"
	case "delivered":
		return "tag good"
	}
	return "tag"
}
