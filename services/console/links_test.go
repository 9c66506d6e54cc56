package console

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/console/access"
)

// Whatever a page leads to is there. No page needs a second connection to the database while
// it has one: where as many are asked for as there are connections, none would get it.
func TestNoLinkLeadsNowhere(t *testing.T) {
	c := newClub(t)
	c.share(1)
	c.turn(0, "message", "", "Well.", 0)
	c.turn(0, "message", "dead", "Well.", 0)
	links := regexp.MustCompile(`(?:href|hx-get)="(/[^"]*)"`)
	c.exec(`INSERT INTO users (name, role) VALUES ('anna', 'owner')`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	owner := access.With(ctx, &access.Principal{User: 1, Name: "anna", Role: access.Owner, Via: "console"})
	seen, left := map[string]bool{"/": true}, []string{"/"}
	const enough = 300
	for len(left) > 0 && len(seen) < enough {
		path := left[0]
		left = left[1:]
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequestWithContext(owner, http.MethodGet, path, nil))
		if w.Code >= http.StatusBadRequest {
			t.Errorf("%s answers %d", path, w.Code)
		}
		for _, found := range links.FindAllStringSubmatch(w.Body.String(), -1) {
			to, _, _ := strings.Cut(html.UnescapeString(found[1]), "#")
			if !seen[to] && !strings.HasPrefix(to, "/static/") && !strings.HasPrefix(to, "/api/") {
				seen[to] = true
				left = append(left, to)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d pages were seen: %v", len(seen), seen)
	}
}
