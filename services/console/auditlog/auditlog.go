// Package auditlog shows who did what: the audit log as a page, and as an export.
package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
)

type (
	// Filter says which entries. It is exported because huma reads no other that is embedded.
	Filter struct {
		Text string `query:"text" maxLength:"200" doc:"what must be in the actor, the operation or the object"`
		From string `query:"from" doc:"then or later, such as 2026-01-31 or 2026-01-31T18:30, UTC; 30 days before to if it is empty"`
		To   string `query:"to" doc:"before then; empty for now"`
	}
	listInput struct {
		Filter

		Before string `query:"before" maxLength:"60" doc:"next of the page before"`
		Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	}
	auditList struct {
		Body struct {
			Entries []audit.Entry `json:"entries" doc:"the newest first"`
			Next    string        `json:"next,omitempty" doc:"what to give as before for more; absent at the end"`
		}
	}
	exportInput struct{ Filter }
)

const (
	path = "/audit"
	// maxEntries limits the entries of one read.
	maxEntries = 200
	// patience limits the time for one such part of an export.
	patience = 30 * time.Second
	// lookedBack is the default period of a search.
	lookedBack = 30 * 24 * time.Hour
	// cursor is the place of the last entry of a page.
	cursor = "%d-%d"
)

// Area is that part of the console.
type Area struct {
	log    audit.Log
	set    *operation.Set
	pages  *page.Pages
	list   *operation.Of[listInput, auditList]
	export *operation.Of[exportInput, huma.StreamResponse]
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages) *Area {
	a := &Area{log: set.Audit, set: set, pages: pages}
	a.list = operation.Add(set, operation.Operation{
		ID: "audit-log", Method: http.MethodGet, Path: path, Tag: "accounts", Role: access.Admin, Summary: "List who did what",
	}, a.read)
	a.export = operation.Add(set, operation.Operation{
		ID: "export-audit-log", Method: http.MethodGet, Path: path + "/export", Tag: "accounts", Role: access.Admin,
		Summary: "Write who did what as JSON, a line each, the newest first",
	}, a.write)
	return a
}

func (a *Area) read(ctx context.Context, in *listInput) (*auditList, error) {
	s, err := in.search(time.Now())
	if err != nil {
		return nil, err
	}
	if in.Before != "" {
		var micros int64
		if _, err := fmt.Sscanf(in.Before, cursor, &micros, &s.Before); err != nil {
			return nil, &operation.InvalidError{Field: "before", Value: strconv.Quote(in.Before), Want: "next of the page before"}
		}
		s.Until = time.UnixMicro(micros)
	}
	limit := min(max(in.Limit, 1), maxEntries)
	found, err := a.log.Find(ctx, s, limit)
	if err != nil {
		return nil, err
	}
	var out auditList
	if out.Body.Entries = found; len(found) == limit {
		last := &found[limit-1]
		out.Body.Next = fmt.Sprintf(cursor, last.At.UnixMicro(), last.ID)
	}
	return &out, nil
}

func (f *Filter) search(now time.Time) (s audit.Search, err error) {
	s.Text = f.Text
	if s.Until, err = operation.Instant("to", f.To, time.Time{}); err != nil {
		return s, err
	}
	if !s.Until.IsZero() {
		now = s.Until
	}
	s.Since, err = operation.Instant("from", f.From, now.Add(-lookedBack))
	return s, err
}

// query is the Filter as the address has it.
func (f *Filter) query() url.Values {
	return url.Values{"text": {f.Text}, "from": {f.From}, "to": {f.To}}
}

// write exports page by page, so that it needs no more memory for a long log.
func (a *Area) write(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	s, err := in.search(time.Now())
	if err != nil {
		return nil, err
	}
	entries, err := a.log.Find(ctx, s, maxEntries)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", "application/jsonl")
		out.SetHeader("Content-Disposition", `attachment; filename="audit.jsonl"`)
		encoder := json.NewEncoder(out.BodyWriter())
		for len(entries) > 0 {
			if w, is := out.BodyWriter().(http.ResponseWriter); is {
				_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)) // or the server's holds
			}
			for i := range entries {
				if encoder.Encode(&entries[i]) != nil {
					return // nobody listens any more
				}
			}
			if entries, err = a.log.Find(ctx, s.After(&entries[len(entries)-1]), maxEntries); err != nil {
				operation.Failed(ctx, a.set.Log, "the audit log's export ends early", zap.Error(err))
				panic(http.ErrAbortHandler) // so that nobody takes it for whole
			}
		}
	}}, nil
}

// Routes adds its page.
func (a *Area) Routes(r chi.Router) {
	r.Get(path, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		in := &listInput{Filter{q.Get("text"), q.Get("from"), q.Get("to")}, q.Get("before"), 50}
		found, err := a.list.Call(r.Context(), in)
		a.pages.Show(w, r, err, func() page.View {
			return page.View{Title: "Audit", Section: "audit", Body: entries(found.Body.Entries, &in.Filter, found.Body.Next)}
		})
	})
}

// details returns an entry's request and changes, if it has any.
func details(e *audit.Entry) string {
	var said strings.Builder
	for _, part := range []struct {
		name string
		text json.RawMessage
	}{{"asked", e.Input}, {"before", e.Before}, {"after", e.After}} {
		if len(part.text) > 0 {
			said.WriteString(part.name + ": " + string(part.text) + "\n")
		}
	}
	return said.String()
}
