package decide

// lately counts features of the recent lines, including lines on their way.
type lately struct {
	lines           int // of bots
	pairs, same     int // of bots' lines in a row, and of the same bot
	changes, back   int // of speaker in a row, and those that lead back
	answers, joined int // lines that answer, and those that got a second answer
}

func (d *decider) lookAtLately() (l lately) {
	var last, other int64 // speakers, other the one before last
	for n := len(d.in.Recent) + len(d.in.Coming) - 1; n >= 0; n-- {
		speaker := d.speaker(n)
		switch {
		case speaker == 0:
			other = 0
		case speaker == last:
			l.pairs, l.same = l.pairs+1, l.same+1
		case last != 0:
			l.pairs++
			if other != 0 {
				l.changes, l.back = l.changes+1, l.back+int(when(other == speaker, 1))
			}
			other = last
		}
		l.lines += int(when(speaker != 0, 1))
		last = speaker
	}
	var answers [maxRecent]uint8
	for i := range d.in.Recent {
		if m := &d.in.Recent[i]; m.BotID != 0 && m.ReplyTo != 0 {
			d.answers(&l, &answers, i, m.ReplyTo)
		}
	}
	for _, a := range d.in.Answering {
		d.answers(&l, &answers, len(d.in.Recent), a.Message)
	}
	return l
}

// answers counts an answer to a line before the i-th one.
func (d *decider) answers(l *lately, answers *[maxRecent]uint8, i int, to int64) {
	l.answers++
	for i--; i >= 0; i-- {
		if d.in.Recent[i].Number == to {
			answers[i]++
			l.joined += int(when(answers[i] == 2, 1))
			return
		}
	}
}

// due returns the probability of a feature that a part of the lines should have. Each line
// that lacks it raises the probability, each one too many lowers it. So hours are alike.
func (d *decider) due(part float64, have, of int) float64 {
	return within(part+within(d.set.FloorPull, 0, 1)*(part*float64(of)-float64(have)), 0, 1)
}
