package chats

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Line is a message of a chat.
type Line struct {
	Number int64     `json:"number" doc:"Chorus' number of the message"`
	Bot    int64     `json:"bot_id,omitempty" doc:"0 for a person's"`
	Author string    `json:"author"`
	Turn   int64     `json:"turn,omitempty" doc:"the turn that it was said for"`
	Part   int       `json:"part" doc:"its place among the messages of its turn"`
	Text   string    `json:"text"`
	At     time.Time `json:"sent_at"`
	Edited bool      `json:"edited,omitempty"`
	// Answers is the message that it replies to; 0 for none.
	Answers      int64  `json:"answers,omitempty"`
	QuotedAuthor string `json:"quoted_author,omitempty"`
	Quoted       string `json:"quoted,omitempty" doc:"the beginning of what it replies to; empty where that is gone"`

	Reactions []Reaction `json:"reactions,omitempty" doc:"those of bots" db:"-"`
}

// Reaction is one of a bot.
type Reaction struct {
	Emoji string `json:"emoji"`
	Bot   string `json:"bot"`
	Turn  int64  `json:"turn"`

	closed time.Time
}

type linesQuery struct {
	ID     int64 `path:"id"`
	Before int64 `query:"before" doc:"lines before the message of this number; 0 for the newest"`
	After  int64 `query:"after" doc:"lines after the message of this number instead"`
}

type linesAnswer struct {
	Body struct {
		Lines []Line `json:"lines"`
		More  bool   `json:"more" doc:"whether there are earlier ones, or later ones with after"`
	}
}

const (
	// shown is the number of lines that are read at a time.
	shown = 60

	linesBefore = `-- console: lines before
SELECT ` + lineColumns + `FROM (
    SELECT * FROM messages WHERE chat_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3) m` + quoting + ` ORDER BY m.number DESC`
	linesAfter = `-- console: lines after
SELECT ` + lineColumns + `FROM (
    SELECT * FROM messages WHERE chat_id = $1 AND number > $2 ORDER BY number LIMIT $3) m` + quoting + ` ORDER BY m.number`
	lineColumns = `m.number, coalesce(m.bot_id, 0), ` + author + `, coalesce(m.turn_no, 0), m.part, m.body, m.sent_at, m.edited_at IS NOT NULL,
    coalesce(m.reply_to, 0), coalesce(q.author, ''), coalesce(q.body, '') `
	quoting = ` LEFT JOIN LATERAL (
    SELECT left(x.body, 160) AS body, (SELECT ` + author + ` FROM (SELECT x.bot_id, x.person_id) m) AS author
    FROM messages x WHERE x.chat_id = m.chat_id AND x.number = m.reply_to) q ON true`

	// A reaction comes after what it is about, soon: of a chat's turns, a few are looked at.
	reactions = `-- console: reactions
SELECT t.turn_no, t.target_message, t.closed_at, coalesce((SELECT display_name FROM personas WHERE bot_id = t.bot_id), ''), t.payload
FROM (SELECT * FROM turns WHERE chat_id = $1 AND turn_no >= $2 ORDER BY turn_no LIMIT $3) t
WHERE t.kind = 'reaction' AND t.outcome IN ('delivered', 'fell_back') AND t.target_message = ANY($4) ORDER BY t.turn_no`
	reactionTurns = 400
)

func (a *Area) readLines(ctx context.Context, in *linesQuery) (*linesAnswer, error) {
	if in.Before < 0 || in.After < 0 || in.Before > 0 && in.After > 0 {
		return nil, &operation.InvalidError{Field: "before", Value: "not one of both", Want: "before or after, from 1"}
	}
	var out linesAnswer
	found, err := a.read(ctx, in)
	if err != nil {
		return nil, err
	}
	if out.Body.More = len(found) > shown; out.Body.More {
		found = found[:shown]
	}
	if in.After == 0 {
		slices.Reverse(found)
	}
	out.Body.Lines = found
	return &out, a.react(ctx, in.ID, found)
}

func (a *Area) read(ctx context.Context, in *linesQuery) ([]Line, error) {
	if in.After > 0 {
		return store.Collect(ctx, a.Pool, "read lines", pgx.RowToStructByPos[Line], linesAfter, in.ID, in.After, shown+1)
	}
	const newest = 1<<63 - 1
	before := in.Before
	if before == 0 {
		before = newest
	}
	return store.Collect(ctx, a.Pool, "read lines", pgx.RowToStructByPos[Line], linesBefore, in.ID, before, shown+1)
}

// react adds the reactions of bots to lines.
func (a *Area) react(ctx context.Context, chat int64, lines []Line) error {
	first, at := int64(0), map[int64]*Line{}
	for i := range lines {
		at[lines[i].Number] = &lines[i]
		if turn := lines[i].Turn; turn > 0 && (first == 0 || turn < first) {
			first = turn
		}
	}
	if first == 0 {
		return nil // nobody knows since when
	}
	numbers := make([]int64, 0, len(lines))
	for n := range at {
		numbers = append(numbers, n)
	}
	return a.eachReaction(ctx, chat, first, numbers, func(target int64, r Reaction) {
		at[target].Reactions = append(at[target].Reactions, r)
	})
}

func (a *Area) eachReaction(ctx context.Context, chat, first int64, targets []int64, do func(target int64, r Reaction)) error {
	var r Reaction
	var target int64
	var payload []byte
	return store.Each(ctx, a.Pool, "read reactions", []any{&r.Turn, &target, &r.closed, &r.Bot, &payload}, func() error {
		var t chorusv1.Turn
		if err := proto.Unmarshal(payload, &t); err == nil && t.GetEmoji() != "" { // else another build wrote it
			r.Emoji = t.GetEmoji()
			do(target, r)
		}
		return nil
	}, reactions, chat, first, reactionTurns, targets)
}
