package simulate

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

// WriteTable writes the schedule and the summary for people.
func (r Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TIME\tCHAT\tTURN\tBOT\tKIND\tTARGET\tTOPIC\tHOW")
	for _, turn := range r.Turns {
		target := ""
		if turn.Turn.Target != 0 {
			target = fmt.Sprintf("#%d", turn.Turn.Target)
		}
		fmt.Fprintf(t, "%s\t%s\t#%d\t%s\t%v\t%s\t%s\t%s\n",
			turn.At.Format("Mon 15:04:05"), turn.Chat, turn.Number, turn.Bot, turn.Turn.Kind, target, turn.Turn.Topic, how(turn.Turn))
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the schedule: %w", err)
	}
	return r.WriteSummary(w)
}

// how is the rest of a turn in a few words.
func how(t decide.Turn) string {
	if t.Kind == decide.KindReaction {
		return t.Emoji
	}
	parts := []string{t.Length.String()}
	if t.Mention != decide.MentionNone {
		parts = append(parts, "mention at the "+t.Mention.String())
	}
	if t.UseNews {
		parts = append(parts, "news")
	}
	if t.Bubbles {
		parts = append(parts, "bubbles")
	}
	if t.RefreshPersona {
		parts = append(parts, "persona recalled")
	}
	return strings.Join(parts, ", ")
}

// WriteSummary writes the counts by bot, hour and kind for people.
func (r Result) WriteSummary(w io.Writer) error {
	s := r.Summary()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	const columns = "MESSAGES\tREPLIES\tREACTIONS\tTOTAL"
	row := func(k Kinds) string {
		return fmt.Sprintf("%d\t%d\t%d\t%d", k.Messages, k.Replies, k.Reactions, k.Total())
	}
	fmt.Fprintln(t, "CHAT\tBOT\t"+columns)
	for _, b := range s.Bots {
		fmt.Fprintf(t, "%s\t%s\t%s\n", b.Chat, b.Bot, row(b.Kinds))
	}
	fmt.Fprintf(t, "all\t\t%s\n\n", row(s.Kinds))
	fmt.Fprintln(t, "CHAT\tHOUR\t"+columns)
	for _, h := range s.Hours {
		fmt.Fprintf(t, "%s\t%s\t%s\n", h.Chat, h.Hour.Format("Mon 15:04"), row(h.Kinds))
	}
	if len(s.Skips) > 0 {
		fmt.Fprint(t, "\nNO TURN BECAUSE\tTIMES\n")
	}
	for _, skip := range s.Skips {
		fmt.Fprintf(t, "%s\t%d\n", skip.Reason, skip.Count)
	}
	if r.Truncated {
		fmt.Fprintf(t, "\nEnded at %d turns.\n", MaxTurns)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

// WriteJSON writes everything, reasons included, as one JSON object.
func (r Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r.document()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

type jsonResult struct {
	Start     time.Time  `json:"start"`
	Hours     float64    `json:"hours"`
	Seed      uint64     `json:"seed,string"` // more than JavaScript's numbers hold
	Truncated bool       `json:"truncated"`
	Turns     []jsonTurn `json:"turns"`
	Summary   Summary    `json:"summary"`
}

type jsonTurn struct {
	At      time.Time    `json:"at"`
	Chat    string       `json:"chat"`
	Number  int64        `json:"number"`
	Bot     string       `json:"bot"`
	Kind    string       `json:"kind"`
	Target  int64        `json:"target,omitempty"`
	Topic   string       `json:"topic,omitempty"`
	Length  string       `json:"length,omitempty"`
	Mention string       `json:"mention,omitempty"`
	Emoji   string       `json:"emoji,omitempty"`
	News    bool         `json:"news,omitempty"`
	Bubbles bool         `json:"bubbles,omitempty"`
	Refresh bool         `json:"persona_refresh,omitempty"`
	Reasons []jsonReason `json:"reasons"`
}

type jsonReason struct {
	Rule   string  `json:"rule"`
	Weight float64 `json:"weight"`
	Detail string  `json:"detail,omitempty"`
}

func (r Result) document() jsonResult {
	out := jsonResult{
		Start: r.Start, Hours: r.Duration.Hours(), Seed: r.Seed, Truncated: r.Truncated,
		Turns: make([]jsonTurn, len(r.Turns)), Summary: r.Summary(),
	}
	for i, t := range r.Turns {
		out.Turns[i] = newJSONTurn(t)
	}
	return out
}

func newJSONTurn(t Turn) jsonTurn {
	out := jsonTurn{
		At: t.At, Chat: t.Chat, Number: t.Number, Bot: t.Bot, Kind: t.Turn.Kind.String(), Target: t.Turn.Target,
		Topic: t.Turn.Topic, Emoji: t.Turn.Emoji, News: t.Turn.UseNews, Bubbles: t.Turn.Bubbles, Refresh: t.Turn.RefreshPersona,
		Reasons: make([]jsonReason, len(t.Turn.Reasons)),
	}
	if t.Turn.Length != decide.LengthNone {
		out.Length = t.Turn.Length.String()
	}
	if t.Turn.Mention != decide.MentionNone {
		out.Mention = t.Turn.Mention.String()
	}
	for i, r := range t.Turn.Reasons {
		out.Reasons[i] = jsonReason(r)
	}
	return out
}
