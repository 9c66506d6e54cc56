package simulate

import (
	_ "embed" // for the template
	"fmt"
	"io"
	"text/template"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

//go:embed rhythm.svg.tmpl
var rhythm string

// WriteSVG draws the rhythm: when each chat and each of its bots was busy.
func (r Result) WriteSVG(w io.Writer) error {
	page, err := template.New("rhythm").Parse(rhythm)
	if err != nil {
		return fmt.Errorf("draw the rhythm: %w", err)
	}
	if err := page.Execute(w, newPicture(r.document())); err != nil {
		return fmt.Errorf("draw the rhythm: %w", err)
	}
	return nil
}

// Measures of the picture, in pixels.
const (
	left, right = 130, 900
	width       = right - left
	barsTop     = 28
	barsHeight  = 90
	rowsTop     = barsTop + barsHeight + 8
	rowHeight   = 18
	chatMargin  = 44 // below the last row, with the times in it
)

const (
	cells   = 144 // of a row: ten minutes each in a day
	maxBars = 48
	levels  = 5 // of darkness
	ticks   = 8
)

// picture is the data of the template.
type picture struct {
	Height, Legend, Left, Right, Names, Counts, Width int
	Span, Bar, Cell                                   string
	Seed                                              uint64
	Chats                                             []*chatPicture

	start  time.Time
	length time.Duration
	bars   int
}

type chatPicture struct {
	Name        string
	Y           int
	Total, Most int
	Grid        string
	Bars        []shape
	Rows        []*row
	Ticks       []tick

	kinds [][3]int // of each bar: messages, replies, reactions
}

type row struct {
	Name   string
	Text   int // where its text stands
	Total  int
	Levels []shape

	y     int
	cells [cells]int
}

type shape struct {
	Class, Path string
	Opacity     float64
}

type tick struct {
	X, Y  int
	Label string
}

func newPicture(r jsonResult) *picture {
	length := time.Duration(r.Hours * float64(time.Hour))
	bars := min(max(int(r.Hours+0.999), 1), maxBars)
	p := &picture{
		Left: left, Right: right, Names: left - 10, Counts: right + 8, Width: width, Seed: r.Seed,
		Span: fmt.Sprintf("%.4g hours from %s", r.Hours, r.Start.Format("Mon 2 Jan 2006 15:04")),
		Bar:  spell(length / time.Duration(bars)), Cell: spell(length / cells),
		start: r.Start, length: length, bars: bars,
	}
	for _, t := range r.Turns {
		p.count(t)
	}
	y := 6
	for _, c := range p.Chats {
		c.Y = y
		p.finish(c)
		y += rowsTop + len(c.Rows)*rowHeight + chatMargin
	}
	p.Legend, p.Height = y, y+24
	return p
}

// spell is a duration as people say it.
func spell(d time.Duration) string {
	switch {
	case d == time.Hour:
		return "an hour"
	case d == time.Minute:
		return "a minute"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d%time.Minute == 0 && d < time.Hour:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return d.Round(time.Second).String()
}

// count puts a turn where it belongs.
func (p *picture) count(t jsonTurn) {
	c := find(&p.Chats, t.Chat, func(c *chatPicture) string { return c.Name })
	if c.kinds == nil {
		c.Name, c.kinds = t.Chat, make([][3]int, p.bars)
	}
	b := find(&c.Rows, t.Bot, func(r *row) string { return r.Name })
	b.Name = t.Bot
	share := float64(t.At.Sub(p.start)) / float64(p.length)
	kind := 0
	switch t.Kind {
	case decide.KindReply.String():
		kind = 1
	case decide.KindReaction.String():
		kind = 2
	}
	c.kinds[place(share, p.bars)][kind]++
	b.cells[place(share, cells)]++
	c.Total++
	b.Total++
}

// find is the item of a name, a new one if there is none.
func find[T any](items *[]*T, name string, of func(*T) string) *T {
	for _, item := range *items {
		if of(item) == name {
			return item
		}
	}
	*items = append(*items, new(T))
	return (*items)[len(*items)-1]
}

// place returns which of n parts a share of the whole is in.
func place(share float64, n int) int { return min(max(int(share*float64(n)), 0), n-1) }
