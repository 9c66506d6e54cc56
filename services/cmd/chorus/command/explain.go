package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/console/chats"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/turns"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/journal"
	clean "github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

func explainCommand() *cobra.Command {
	cfg := newConfiguration()
	var asJSON, prompt bool
	cmd := &cobra.Command{
		Use:   "explain TURN|CHAT",
		Short: "Show why a turn was planned, or why a chat is silent",
		Long: `Of a turn, given as in logs (7-42) or as CHAT/NUMBER, shows which rules led to it,
with what weight, how its text was written (the calls to models, and each draft
with what the guard objected to, as far as keep_drafts keeps it), and how it
ended. Of a chat, given by its name in the cast file, shows when its next turn is
due, or what it waits for, and who is awake.`,
		Example: `  chorus explain book-club/42
  chorus explain book-club/42 --prompt
  chorus explain book-club --config .chorus/up.yaml`,
		Args: arguments("a turn or a chat"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				chatID, chat, number, err := namedTurn(args[0])
				if err != nil {
					return err
				}
				if number == 0 {
					return explainChat(ctx, cmd.OutOrStdout(), pool, cfg, chat, asJSON)
				}
				values, err := settingspg.Values(ctx, pool)
				if err != nil {
					return err
				}
				if chat != "" {
					if chatID, err = keyOf(ctx, pool, "chat", chat); err != nil {
						return err
					}
				}
				t, err := turns.Read(ctx, pool, values, doing, chatID, number)
				switch {
				case errors.Is(err, operation.ErrNotFound):
					return run.Usage(fmt.Errorf("%s: there is no such turn", args[0]))
				case err != nil:
					return err
				case asJSON:
					return printPlan(cmd.OutOrStdout(), &t)
				}
				return errors.Join(explainTurn(cmd.OutOrStdout(), &t), explainText(cmd.OutOrStdout(), t.Writing, prompt))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the turn as JSON")
	cmd.Flags().BoolVar(&prompt, "prompt", false, "print the prompt, too, that the model was sent for a turn, if it is kept")
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionLLM)
	return cmd
}

// namedTurn parses the name of a turn or a chat. number is 0 for a chat.
func namedTurn(text string) (chatID int64, chat string, number int64, err error) {
	if id, err := subject.ParseTurnID(text); err == nil {
		return id.GetChatId(), "", id.GetNumber(), nil
	}
	chat, digits, found := strings.Cut(text, "/")
	if !found {
		return 0, chat, 0, nil
	}
	number, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || number < 1 || chat == "" {
		return 0, "", 0, run.Usage(fmt.Errorf("%.100q: want a chat, a turn such as 7-42, or CHAT/NUMBER", text))
	}
	return 0, chat, number, nil
}

// printPlan prints the plan of a turn.
func printPlan(w io.Writer, t *turns.Turn) error {
	var planned chorusv1.Turn
	if err := proto.Unmarshal(t.Payload, &planned); err != nil {
		return fmt.Errorf("decode the turn: %w", err)
	}
	_, err := fmt.Fprintln(w, protojson.MarshalOptions{Multiline: true, Indent: "  "}.Format(&planned))
	return err
}

func explainTurn(w io.Writer, t *turns.Turn) error {
	table := newTable(w)
	table.linef("turn\t%s, number %d of %s", subject.TurnID(&chorusv1.TurnId{ChatId: t.Chat, Number: t.Number}), t.Number, t.ChatName)
	table.linef("what\t%s: %s", t.BotName, t.Plan)
	table.linef("planned\t%s, %s after it was due", clockTime(t.Planned), t.Planned.Sub(t.Due).Round(time.Millisecond))
	if t.Closed == nil {
		table.linef("outcome\topen, good until %s", clockTime(t.Expires))
	} else {
		table.linef("outcome\t%s after %s%s", t.Outcome, t.Closed.Sub(t.Planned).Round(time.Millisecond), because(t.Reason))
	}
	if t.Trace != "" {
		table.linef("trace\t%s", t.Trace)
	}
	table.linef("\nRULE\tWEIGHT\tWHAT IT SAW")
	for _, r := range t.Rules {
		table.linef("%s\t%.3g\t%s", r.Name, r.Weight, r.Saw)
	}
	if len(t.Calls) > 0 {
		table.linef("\nCALL FOR\tPROVIDER\tANSWER\tTOOK\tTOKENS\tCOST")
	}
	for _, c := range t.Calls {
		table.linef("%s\t%s\t%s\t%s\t%d + %d\t%.5f", c.Purpose, strings.TrimSpace(c.Provider+" "+c.Model), strings.ReplaceAll(c.Outcome, "_", " "),
			c.Latency.Round(time.Millisecond), c.PromptTokens, c.CompletionTokens, c.Cost)
	}
	return table.end()
}

// explainText shows how the text of a turn was written. Models' texts are cleaned, because
// a terminal would interpret invisible characters.
func explainText(w io.Writer, of turns.Writing, prompt bool) error {
	var text strings.Builder
	for _, written := range of.Writings {
		for i, d := range written.Drafts {
			fmt.Fprintf(&text, "\ndraft %d of %d: %s\n%s\n", i+1, len(written.Drafts), verdict(d), indented(d.Text))
		}
		if prompt {
			for _, m := range written.Prompt {
				fmt.Fprintf(&text, "\nprompt, %s:\n%s\n", m.Role, indented(m.Text))
			}
		} else if len(written.Prompt) > 0 {
			text.WriteString("\nThe prompt is kept: --prompt shows it.\n")
		}
	}
	for _, d := range of.Decisions {
		fmt.Fprintf(&text, "\n%s: %s\n", clockTime(d.At), clean.Line(d.String(), 0))
		if d.Note != "" {
			fmt.Fprintf(&text, "the note:\n%s\n", indented(d.Note))
		}
		if len(d.Draft) > 0 {
			fmt.Fprintf(&text, "it was:\n%s\n", indented(strings.Join(d.Draft, "\n")))
		}
	}
	if of.NotKept != "" {
		fmt.Fprintf(&text, "\n%s\n", of.NotKept)
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write the explanation: %w", err)
	}
	return nil
}

// verdict describes the guard's result for a draft.
func verdict(d journal.Draft) string {
	if d.Rule == "" {
		return "the guard had no objection"
	}
	said := "the guard objected: " + d.Rule + ": " + clean.Text(d.Reason)
	if d.Found != "" {
		said += fmt.Sprintf(" It found %q.", d.Found)
	}
	if d.Mended {
		said += " It was sent without that."
	}
	return said
}

func indented(text string) string { return "  " + strings.ReplaceAll(clean.Text(text), "\n", "\n  ") }

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// doing describes what a turn does.
func doing(t *chorusv1.Turn, author string) string {
	var parts []string
	kind := subject.TurnKindName(t.GetKind())
	if t.GetTargetMessage() != 0 {
		kind += fmt.Sprintf(" to message %d", t.GetTargetMessage())
		if author != "" {
			kind += " of " + author
		}
	}
	if t.GetAlsoAnswers() != 0 {
		kind += fmt.Sprintf(" and message %d", t.GetAlsoAnswers())
	}
	parts = append(parts, kind)
	if t.GetTopic() != "" {
		parts = append(parts, "on "+strconv.Quote(t.GetTopic()))
	}
	if t.GetKind() == chorusv1.TurnKind_TURN_KIND_REACTION {
		return strings.Join(append(parts, t.GetEmoji()), ", ")
	}
	parts = append(parts, decide.Length(t.GetLength()).String())
	if m := decide.Mention(t.GetMention()); m != decide.MentionNone {
		parts = append(parts, "mention at the "+m.String())
	}
	if t.GetUseNews() {
		parts = append(parts, "with news")
	}
	if t.GetBubbles() {
		parts = append(parts, "in several messages")
	}
	if t.GetRefreshPersona() {
		parts = append(parts, "persona recalled")
	}
	return strings.Join(parts, ", ")
}

func clockTime(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

func explainChat(ctx context.Context, w io.Writer, pool *pgxpool.Pool, cfg *configuration, chat string, asJSON bool) error {
	if asJSON {
		return run.Usage(errors.New("--json: is for turns only"))
	}
	o, err := outlookOf(ctx, pool, cfg, chat)
	if err != nil {
		return err
	}
	table := newTable(w)
	table.linef("chat\t%s, %d turns so far", chat, o.Turns)
	table.linef("now\t%s", o.Now)
	if o.Next != "" {
		table.linef("next turn\t%s", o.Next)
	}
	for _, f := range o.Facts {
		table.linef("%s\t%s", f.Name, f.Text)
	}
	table.linef("\nBOT\tNOW\tMESSAGES IN AN HOUR")
	for _, m := range o.Cast {
		table.linef("%s\t%s\t%s", m.Bot, m.State, m.LastHour)
	}
	heading := "\nBOT\tWHY\n"
	for _, f := range o.Refused {
		table.linef("%s%s\t%s", heading, f.Name, f.Text)
		heading = ""
	}
	if len(o.Unanswered) > 0 {
		table.linef("\nNO ANSWER TODAY BECAUSE\tMESSAGES\tLAST AT")
	}
	for _, u := range o.Unanswered {
		table.linef("%s\t%d\t%s", u.Reason, u.Messages, u.LastAt)
	}
	return table.end()
}

// outlookOf describes the state of a chat.
func outlookOf(ctx context.Context, pool *pgxpool.Pool, cfg *configuration, chat string) (o chats.Outlook, err error) {
	pace := cfg.planner.Pace
	outlook, err := look(ctx, pool, pace, chat)
	if err != nil {
		return o, err
	}
	in := outlook.Input
	refused, err := rosterpg.RefusalsIn(ctx, pool, in.Chat.ID)
	if err != nil {
		return o, err
	}
	silence, err := usage.FindSilence(ctx, pool)
	if err != nil {
		return o, err
	}
	spent, err := spentToday(ctx, cfg.llm, pool)
	if err != nil {
		return o, err
	}
	o.Turns, o.Now, o.Next = in.TurnNumber-1, nowIn(outlook), nextIn(outlook)
	fact := func(name, format string, args ...any) {
		o.Facts = append(o.Facts, chats.Fact{Name: name, Text: fmt.Sprintf(format, args...)})
	}
	if skip := outlook.Decision.Skip; silence.Lasts() && (skip == decide.SkipNone || skip == decide.SkipTextsBehind) {
		o.Now = "silent: " + silence.String()
	}
	if silence != nil {
		fact("texts", "%s; chorus check tells the remedy", silence)
	}
	for _, why := range spent {
		fact("texts", "%s", why)
	}
	if pace > 0 {
		fact("pace", "%s", paceIn(in.Settings))
	}
	fact("load", "%d of %d texts to be written, %d of %d messages in the last minute",
		in.UnwrittenTurns, in.Settings.MaxUnwrittenTurns, in.ChatLastMinute, in.Settings.ChatPerMinute)
	if in.Held > 0 {
		fact("approvals", "%s texts wait for somebody to approve them", ofMax(in.Held, in.Settings.MaxHeld))
	}
	fact("answers", "%s to people in the last hour", ofMax(in.ChatAnswers, in.Settings.ChatAnswers))
	fact("today", "%s messages since midnight UTC", ofMax(in.ChatToday, in.Settings.ChatPerDay))
	for i := range refused {
		if r := &refused[i]; r.Bot == "" {
			fact("reactions", "%s", r)
		} else {
			o.Refused = append(o.Refused, chats.Fact{Name: r.Bot, Text: r.String()})
		}
	}
	for i, obstacle := range decide.Obstacles(in) {
		bot := &in.Cast[i]
		lastHour := strconv.Itoa(bot.LastHour)
		if pace == 0 { // with a pace, the planner ignores hourly limits
			lastHour = ofMax(bot.LastHour, bot.HourlyMax)
		}
		o.Cast = append(o.Cast, chats.Member{Bot: bot.Name, State: state(in, bot, obstacle, refused), LastHour: lastHour})
	}
	for _, u := range outlook.Unanswered {
		o.Unanswered = append(o.Unanswered, chats.Unanswered{Reason: unansweredBecause(u.Reason), Messages: u.Prompts, LastAt: onClock(in, u.LastAt)})
	}
	return o, nil
}

// paceIn describes the interval of messages in a chat with planner.pace.
func paceIn(set decide.Settings) string {
	words := fmt.Sprintf("a message about every %v (planner.pace", set.EvenGap().Round(100*time.Millisecond))
	if set.ScaleFactor != 1 {
		words += fmt.Sprintf(" %v, by scale_factor %.3g", set.Pace, set.ScaleFactor)
	}
	return words + ")"
}

// ofMax describes a number and its limit; 0 is no limit.
func ofMax(n, limit int) string {
	if limit == 0 {
		return fmt.Sprintf("%d, without a limit,", n)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}

func look(ctx context.Context, pool *pgxpool.Pool, pace time.Duration, chat string) (planner.Outlook, error) {
	values, err := settingspg.Values(ctx, pool)
	if err != nil {
		return planner.Outlook{}, err
	}
	outlook, err := planner.Look(ctx, pool, values, pace, chat)
	if errors.Is(err, planner.ErrNone) {
		return outlook, run.Usage(fmt.Errorf("%.100q: there is no such chat in the roster; a turn is given as 7-42 or CHAT/NUMBER", chat))
	}
	return outlook, err
}
