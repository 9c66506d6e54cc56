package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

// Kinds counts turns by kind.
type Kinds struct {
	Messages  int `json:"messages"`
	Replies   int `json:"replies"`
	Reactions int `json:"reactions"`
}

// Total is the sum.
func (k Kinds) Total() int { return k.Messages + k.Replies + k.Reactions }

func (k *Kinds) count(kind decide.Kind) {
	switch kind {
	case decide.KindMessage:
		k.Messages++
	case decide.KindReply:
		k.Replies++
	case decide.KindReaction:
		k.Reactions++
	}
}

// BotCount counts the turns of one bot in one chat.
type BotCount struct {
	Chat string `json:"chat"`
	Bot  string `json:"bot"`
	Kinds
}

// HourCount is what happened in one chat in one hour.
type HourCount struct {
	Chat string `json:"chat"`
	// Hour is when it began, on the chat's clock.
	Hour time.Time `json:"hour"`
	Kinds
}

// Summary is a result in numbers.
type Summary struct {
	Kinds Kinds `json:"kinds"`
	// Bots are in the order of their first turn. Hours are in the order of time;
	// those in which nothing happened are left out.
	Bots  []BotCount  `json:"bots"`
	Hours []HourCount `json:"hours"`
	Skips []SkipCount `json:"skips"`
}

// Summary counts.
func (r Result) Summary() Summary {
	s := Summary{Bots: []BotCount{}, Hours: []HourCount{}, Skips: r.Skips}
	for _, t := range r.Turns {
		s.Kinds.count(t.Turn.Kind)
		bot := slices.IndexFunc(s.Bots, func(b BotCount) bool { return b.Chat == t.Chat && b.Bot == t.Bot })
		if bot < 0 {
			bot, s.Bots = len(s.Bots), append(s.Bots, BotCount{Chat: t.Chat, Bot: t.Bot})
		}
		s.Bots[bot].count(t.Turn.Kind)
		s.hour(t)
	}
	return s
}

// hour counts a turn in the hour of its chat's clock, which is among the last
// ones. An hour that the clock shows twice is two.
func (s *Summary) hour(t Turn) {
	began := t.At.Add(-time.Duration(t.At.Minute())*time.Minute - time.Duration(t.At.Second())*time.Second - time.Duration(t.At.Nanosecond()))
	for i := len(s.Hours) - 1; i >= 0; i-- {
		h := &s.Hours[i]
		if h.Chat == t.Chat && h.Hour.Equal(began) {
			h.count(t.Turn.Kind)
			return
		}
		if began.Sub(h.Hour) > 2*time.Hour {
			break
		}
	}
	s.Hours = append(s.Hours, HourCount{Chat: t.Chat, Hour: began})
	s.Hours[len(s.Hours)-1].count(t.Turn.Kind)
}

// finish draws a chat.
func (p *picture) finish(c *chatPicture) {
	for _, k := range c.kinds {
		c.Most = max(c.Most, k[0]+k[1]+k[2])
	}
	c.Bars = c.drawBars()
	busiest := 0
	for i, r := range c.Rows {
		r.y = rowsTop + i*rowHeight
		r.Text = r.y + rowHeight - 5
		for _, n := range r.cells {
			busiest = max(busiest, n)
		}
	}
	for _, r := range c.Rows {
		r.Levels = r.draw(busiest)
	}
	bottom := rowsTop + len(c.Rows)*rowHeight
	var grid strings.Builder
	for i := range ticks + 1 {
		x := left + i*width/ticks
		fmt.Fprintf(&grid, "M%d %dV%d", x, barsTop, bottom+4)
		at := p.start.Add(p.length * time.Duration(i) / ticks)
		layout := "15:04"
		if p.length > 48*time.Hour {
			layout = "Mon 15:04"
		}
		c.Ticks = append(c.Ticks, tick{X: x, Y: bottom + 19, Label: at.Format(layout)})
	}
	c.Grid = grid.String()
}

// drawBars stacks the kinds of each bar.
func (c *chatPicture) drawBars() []shape {
	classes := [3]string{"message", "reply", "reaction"}
	var paths [3]strings.Builder
	step := float64(width) / float64(len(c.kinds))
	for i, kinds := range c.kinds {
		y := float64(barsTop + barsHeight)
		for kind, n := range kinds {
			if n == 0 {
				continue
			}
			height := float64(barsHeight*n) / float64(c.Most)
			y -= height
			fmt.Fprintf(&paths[kind], "M%.1f %.1fh%.1fv%.1fh-%.1fz", left+float64(i)*step+1, y, step-2, height, step-2)
		}
	}
	var out []shape
	for kind := range paths {
		out = append(out, shape{Class: classes[kind], Path: paths[kind].String()})
	}
	return out
}

// draw draws a bot's strip: a path for each darkness, neighbours of one joined.
func (r *row) draw(busiest int) []shape {
	var paths [levels + 1]strings.Builder
	level := func(n int) int { return (n*levels + busiest - 1) / busiest }
	step := float64(width) / cells
	for from := 0; from < cells; {
		to := from + 1
		for to < cells && level(r.cells[to]) == level(r.cells[from]) {
			to++
		}
		if l := level(r.cells[from]); l > 0 {
			fmt.Fprintf(&paths[l], "M%.1f %dH%.1fv%dH%.1fz", left+float64(from)*step, r.y+2, left+float64(to)*step, rowHeight-4, left+float64(from)*step)
		}
		from = to
	}
	var out []shape
	for l := 1; l <= levels; l++ {
		if paths[l].Len() > 0 {
			out = append(out, shape{Path: paths[l].String(), Opacity: float64(l) / levels})
		}
	}
	return out
}
