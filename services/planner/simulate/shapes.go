package simulate

import (
	"fmt"
	"strings"
	"time"
)

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
