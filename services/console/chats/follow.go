package chats

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
)

// seen is the position of an open page, which it sends along when it asks for news.
type seen struct {
	// Line is the number of its last line, Turn that of the newest turn that it shows.
	Line, Turn int64
	// Since is the time of the newest reaction on the page, in microseconds.
	Since int64
}

// add takes in what the page shows now.
func (s *seen) add(lines []Line) {
	for i := range lines {
		s.Line, s.Turn = max(s.Line, lines[i].Number), max(s.Turn, lines[i].Turn)
		for _, r := range lines[i].Reactions {
			s.react(r)
		}
	}
}

func (s *seen) react(r Reaction) {
	s.Turn, s.Since = max(s.Turn, r.Turn), max(s.Since, r.closed.UnixMicro())
}

// reacted is a reaction to a line that a page shows already.
type reacted struct {
	Reaction

	line int64
}

// news is what a chat has got since a page's position.
type news struct {
	lines     []Line
	reactions []reacted
	open      []OpenTurn
	seen      seen
}

// lateTurns is how many turns before the page's last one a late reaction may belong to.
const lateTurns = 20

const newReactions = `-- console: new reactions
SELECT t.turn_no, t.target_message, t.closed_at, coalesce((SELECT display_name FROM personas WHERE bot_id = t.bot_id), ''), t.payload
FROM turns t WHERE t.chat_id = $1 AND t.turn_no > $2 AND t.kind = 'reaction' AND t.outcome IN ('delivered', 'fell_back') AND t.closed_at > $3
ORDER BY t.turn_no LIMIT 100`

// since reads what is new in a chat, in one round trip: a hundred open pages are to cost
// next to nothing.
func (a *Area) since(ctx context.Context, chat int64, was seen) (news, error) {
	n := news{seen: was}
	var b pgx.Batch
	b.Queue(linesAfter, chat, was.Line, shown).Query(func(rows pgx.Rows) (err error) {
		n.lines, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Line])
		return err
	})
	b.Queue(newReactions, chat, was.Turn-lateTurns, time.UnixMicro(was.Since)).Query(n.readReactions)
	b.Queue(openTurns, chat, maxOpen).Query(func(rows pgx.Rows) (err error) {
		n.open, err = pgx.CollectRows(rows, pgx.RowToStructByPos[OpenTurn])
		return err
	})
	if err := a.Pool.SendBatch(ctx, &b).Close(); err != nil {
		return n, fmt.Errorf("read what is new: %w", err)
	}
	n.seen.add(n.lines)
	return n, nil
}

func (n *news) readReactions(rows pgx.Rows) error {
	var r reacted
	var payload []byte
	if _, err := pgx.ForEachRow(rows, []any{&r.Turn, &r.line, &r.closed, &r.Bot, &payload}, func() error {
		var t chorusv1.Turn
		if err := proto.Unmarshal(payload, &t); err == nil && t.GetEmoji() != "" { // else another build wrote it
			r.Emoji = t.GetEmoji()
			n.reactions = append(n.reactions, r)
			n.seen.react(r.Reaction)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read reactions: %w", err)
	}
	return nil
}

// linesPart answers an open page: what is older, or what is new.
func (a *Area) linesPart(w http.ResponseWriter, r *http.Request) {
	chat, err := chatOf(r)
	if err == nil {
		err = access.From(r.Context()).May(access.Viewer, false)
	}
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	if !r.URL.Query().Has("after") {
		a.olderPart(w, r, chat)
		return
	}
	var was seen
	for name, into := range map[string]*int64{"after": &was.Line, "turn": &was.Turn, "since": &was.Since} {
		if *into, err = whole(r, name); err != nil {
			a.pages.Fail(w, r, err)
			return
		}
	}
	html, err := a.newPart(r.Context(), chat, was)
	switch {
	case err != nil:
		a.pages.Fail(w, r, err)
	case html == "":
		w.WriteHeader(http.StatusNoContent)
	default:
		a.pages.Fragment(w, r, templ.Raw(html))
	}
}

// asked holds the news of a chat for all pages at the same position, and when it was read.
type asked struct {
	chat  int64
	seen  seen
	event uint64
}

// newPart returns the update for an open page; empty for none. It is read and rendered once
// for all pages at the same position.
func (a *Area) newPart(ctx context.Context, chat int64, was seen) (string, error) {
	read := func(ctx context.Context) (string, error) {
		n, err := a.since(ctx, chat, was)
		if err != nil || len(n.lines)+len(n.reactions) == 0 {
			return "", err
		}
		var text strings.Builder
		if err := newer(chat, n).Render(ctx, &text); err != nil {
			return "", fmt.Errorf("render: %w", err)
		}
		return text.String(), nil
	}
	if a.Said != nil {
		if event, open := a.Said(chat); open {
			return a.fresh.Get(ctx, asked{chat, was, event}, read)
		}
	}
	return read(ctx)
}

func (a *Area) olderPart(w http.ResponseWriter, r *http.Request, chat int64) {
	before, err := whole(r, "before")
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	found, err := a.lines.Call(r.Context(), &linesQuery{ID: chat, Before: before})
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	a.pages.Fragment(w, r, lines(chat, found.Body.Lines, found.Body.More))
}

// whole is a number in the address; 0 for none.
func whole(r *http.Request, name string) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, &operation.InvalidError{Field: name, Value: strconv.Quote(text), Want: "a whole number from 0"}
	}
	return n, nil
}
