// Package chats shows the chats: which there are, what is said in each as it is said, and
// how things stand there.
package chats

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/live"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// Deps are the dependencies of the pages of chats.
type Deps struct {
	Pool *pgxpool.Pool
	// Outlook tells how the planner sees the chat of a name; nil where nobody can tell.
	Outlook func(ctx context.Context, chat string) (Outlook, error)
	// Settings returns the settings that differ from the defaults; nil for the defaults.
	Settings func() *settings.Values
	// Said changes whenever something was said in a chat that a page shows; false where none
	// does. It may be nil.
	Said func(chat int64) (event uint64, open bool)
}

// Outlook describes the planner's view of a chat in words.
type Outlook struct {
	Turns      int64        `json:"turns" doc:"so far"`
	Now        string       `json:"now" doc:"whether a turn can be planned, and if not, why"`
	Next       string       `json:"next_turn,omitempty" doc:"when the next turn is due; empty where only a change by somebody ends the silence"`
	Facts      []Fact       `json:"facts" doc:"what it depends on, such as how near the limits are"`
	Cast       []Member     `json:"cast"`
	Refused    []Fact       `json:"refused" doc:"what Telegram refuses to bots, and until when"`
	Unanswered []Unanswered `json:"unanswered" doc:"messages of today that called for an answer and got none, by reason"`
}

// Fact is something of a name.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Member is a bot of a cast.
type Member struct {
	Bot      string `json:"bot"`
	State    string `json:"state"`
	LastHour string `json:"messages_last_hour"`
}

// Unanswered counts the messages without an answer for one reason.
type Unanswered struct {
	Reason   string `json:"reason"`
	Messages int    `json:"messages"`
	LastAt   string `json:"last_at"`
}

// Area is that part of the console.
type Area struct {
	Deps

	pages *page.Pages
	list  *operation.Of[listQuery, listAnswer]
	show  *operation.Of[chatQuery, chatAnswer]
	lines *operation.Of[linesQuery, linesAnswer]
	fresh live.Shared[asked, string]
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, deps Deps) *Area {
	a := &Area{Deps: deps, pages: pages}
	a.list = operation.Add(set, operation.Operation{
		ID: "list-chats", Method: http.MethodGet, Path: "/chats", Tag: "chats", Role: access.Viewer,
		Summary: "The chats, in the order of their names",
	}, a.readList)
	a.show = operation.Add(set, operation.Operation{
		ID: "get-chat", Method: http.MethodGet, Path: "/chats/{id}", Tag: "chats", Role: access.Viewer,
		Summary: "How things stand in a chat: its clock, open turns, cast and settings",
	}, a.readChat)
	a.lines = operation.Add(set, operation.Operation{
		ID: "list-lines", Method: http.MethodGet, Path: "/chats/{id}/lines", Tag: "chats", Role: access.Viewer,
		Summary: "What is said in a chat, the oldest line first",
	}, a.readLines)
	return a
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/chats", a.listPage)
	r.Get("/chats/{id}", a.chatPage)
	r.Get("/chats/{id}/lines", a.linesPart)
	r.Get("/chats/{id}/state", a.statePart)
}

// Rests says why nothing is said in a chat for now; empty where its cast talks. A chat is
// paused with a time, until when or for good.
func Rests(enabled bool, waiting string, paused, until *time.Time) string {
	switch {
	case !enabled:
		return "switched off"
	case paused != nil && until != nil:
		return "paused until " + page.Clock(*until)
	case paused != nil:
		return "paused"
	case waiting == "":
		return ""
	}
	return Waiting(waiting)
}

// Waiting describes why a chat's clock waits.
func Waiting(reason string) string {
	switch reason {
	case "chat_disabled":
		return "switched off"
	case "simulation_off":
		return "simulation_active is off"
	case "no_cast":
		return "no bot of its cast may act"
	case "asleep":
		return "everybody is asleep"
	case "approvals":
		return "too many of its texts wait to be approved"
	}
	return strings.ReplaceAll(reason, "_", " ")
}

func link(format string, args ...any) string { return fmt.Sprintf(format, args...) }
