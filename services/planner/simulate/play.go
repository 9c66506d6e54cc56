package simulate

import (
	"slices"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

// maxRecent limits how much of a chat a decision looks at.
const maxRecent = 50

// play is the state of all chats.
type play struct {
	options Options
	stages  []*stage
	spoke   map[int64]*window // messages by bot, in the last hour
	all     window            // messages of all, in the last minute
}

// stage is the state of one chat.
type stage struct {
	chat      *Chat
	zone      *time.Location
	next      time.Time
	lively    bool
	turn      int64
	recent    []decide.Message
	coming    []decide.Message // planned and not yet seen; At is when they are
	minute    window
	day       time.Time
	today     int // messages planned on the day, which is one of UTC
	refreshed map[int64]*refresh
}

// refresh records when a bot's persona was last repeated to it.
type refresh struct {
	since int
	at    time.Time
}

func newPlay(o Options) *play {
	p := &play{options: o, spoke: map[int64]*window{}, all: window{span: time.Minute}}
	for i := range o.Chats {
		s := &stage{
			chat: &o.Chats[i], zone: o.Chats[i].Chat.TimeZone, next: o.Start, lively: true,
			minute: window{span: time.Minute}, refreshed: map[int64]*refresh{},
		}
		if s.zone == nil {
			s.zone = time.UTC
		}
		for _, bot := range s.chat.Cast {
			p.spoke[bot.ID] = &window{span: time.Hour}
			s.refreshed[bot.ID] = &refresh{at: o.Start}
		}
		p.stages = append(p.stages, s)
	}
	return p
}

// nextStage is the chat that is due first; of several, the first one. It is nil
// if there are no chats.
func (p *play) nextStage() *stage {
	var first *stage
	for _, s := range p.stages {
		if first == nil || s.next.Before(first.next) {
			first = s
		}
	}
	return first
}

// decide asks for the chat's decision at its time, and moves its clock.
func (p *play) decide(s *stage) decide.Decision {
	now := s.next
	s.see(now)
	cast := slices.Clone(s.chat.Cast)
	for i := range cast {
		r := s.refreshed[cast[i].ID]
		cast[i].LastHour, cast[i].SinceRefresh, cast[i].LastRefresh = p.spoke[cast[i].ID].count(now), r.since, r.at
	}
	in := decide.Input{
		Chat: s.chat.Chat, Cast: cast, Recent: s.recent, Settings: s.chat.Settings,
		TurnNumber: s.turn + 1, UnwrittenTurns: len(s.coming), ChatLastMinute: s.minute.count(now), GlobalLastMinute: p.all.count(now),
		ChatToday: s.planned(now, 0),
		Lively:    s.lively,
		Due:       now, Now: now, Seed: p.options.Seed ^ uint64(s.chat.Chat.ID), //nolint:gosec // any number will do
	}
	if len(s.coming) > 0 {
		in.UnwrittenFor = now.Sub(s.coming[0].At) + p.options.Latency
	}
	for _, m := range s.coming {
		in.Coming = append(in.Coming, m.BotID)
		if m.ReplyTo != 0 {
			in.Answering = append(in.Answering, decide.Answer{Message: m.ReplyTo, BotID: m.BotID})
		}
	}
	d := decide.Decide(in)
	s.next, s.lively = d.Next, d.Lively
	return d
}

// see moves what has arrived by now among the recent messages.
func (s *stage) see(now time.Time) {
	arrived := 0
	for arrived < len(s.coming) && !s.coming[arrived].At.After(now) {
		arrived++
	}
	s.recent = append(s.recent, s.coming[:arrived]...)
	s.coming = slices.Delete(s.coming, 0, arrived)
	if surplus := len(s.recent) - maxRecent; surplus > 0 {
		s.recent = slices.Delete(s.recent, 0, surplus)
	}
}

// perform takes the turn down and lets its message come.
func (s *stage) perform(p *play, at time.Time, t *decide.Turn) Turn {
	s.turn++
	bot := s.chat.Cast[slices.IndexFunc(s.chat.Cast, func(b decide.Bot) bool { return b.ID == t.BotID })]
	turn := Turn{At: at.In(s.zone), Chat: s.chat.Name, Bot: bot.Name, Number: s.turn, Turn: *t}
	if t.Kind == decide.KindReaction {
		return turn
	}
	s.minute.add(at)
	s.planned(at, 1)
	p.all.add(at)
	p.spoke[bot.ID].add(at)
	s.remind(bot.ID, at, t.RefreshPersona)
	text, said := s.text(t), true
	if p.options.Text != nil {
		text = p.options.Text(turn)
		said = text != ""
	}
	if said {
		s.coming = append(s.coming, decide.Message{
			Number: s.turn, BotID: bot.ID, Author: bot.DisplayName, Text: text, ReplyTo: t.Target, At: at.Add(p.options.Latency),
		})
	}
	return turn
}

// planned returns how many messages were planned on the day of at, with some more.
func (s *stage) planned(at time.Time, more int) int {
	if day := at.UTC().Truncate(24 * time.Hour); !day.Equal(s.day) {
		s.day, s.today = day, 0
	}
	s.today += more
	return s.today
}

func (s *stage) remind(bot int64, at time.Time, reminded bool) {
	r := s.refreshed[bot]
	r.since++
	if reminded {
		r.since, r.at = 0, at
	}
}

// text stands in for what would be said.
func (s *stage) text(t *decide.Turn) string {
	var b strings.Builder
	b.WriteString("Something on " + t.Topic)
	for _, m := range s.recent {
		if t.Mention != decide.MentionNone && m.Number == t.Target {
			b.WriteString(", " + m.Author)
		}
	}
	return b.String()
}

// window counts what happened within a span before now. Times come in order.
type window struct {
	span  time.Duration
	times []time.Time
}

func (w *window) add(at time.Time) { w.times = append(w.times, at) }

func (w *window) count(now time.Time) int {
	old := 0
	for old < len(w.times) && !w.times[old].After(now.Add(-w.span)) {
		old++
	}
	w.times = w.times[old:]
	return len(w.times)
}
