package talk

import "time"

// run is a number of consecutive lines of one speaker.
type run struct {
	who   string
	lines int
}

func runs(session []Line) []run {
	var all []run
	for _, l := range session {
		if n := len(all); n > 0 && all[n-1].who == l.Who {
			all[n-1].lines++
			continue
		}
		all = append(all, run{l.Who, 1})
	}
	return all
}

// allRuns returns the runs of long sessions.
func (t *transcript) allRuns() []run {
	var all []run
	for _, s := range t.long {
		all = append(all, runs(s)...)
	}
	return all
}

// nextGaps returns the gaps before a line of the same speaker and before one of another speaker.
func (t *transcript) nextGaps() (own, other []time.Duration) {
	for _, s := range t.long {
		for i := 1; i < len(s); i++ {
			gap := s[i].At.Sub(s[i-1].At)
			if s[i].Who == s[i-1].Who {
				own = append(own, gap)
			} else {
				other = append(other, gap)
			}
		}
	}
	return own, other
}

func sameSpeaker(t *transcript) figure {
	own, other := t.nextGaps()
	return ratio(float64(len(own)), float64(len(own)+len(other)))
}

func meanRun(t *transcript) figure {
	lines := 0
	all := t.allRuns()
	for _, r := range all {
		lines += r.lines
	}
	return ratio(float64(lines), float64(len(all)))
}

func longRuns(t *transcript) figure {
	return share(t.allRuns(), func(r run) bool { return r.lines >= 3 })
}

func ownGapRatio(t *transcript) figure {
	own, other := t.nextGaps()
	o, a := median(own, time.Duration.Seconds), median(other, time.Duration.Seconds)
	if !o.known || !a.known {
		return figure{}
	}
	return ratio(o.value, a.value)
}

// backAndForth is the share of changes of speaker that return to the speaker before. It uses
// sessions of 3 to 5 speakers: two always return, and many rarely do.
func backAndForth(t *transcript) figure {
	const minSpeakers, maxSpeakers = 3, 5
	changes, back := 0, 0
	for _, s := range t.long {
		if n := len(counts(s)); n < minSpeakers || n > maxSpeakers {
			continue
		}
		all := runs(s)
		for i := 2; i < len(all); i++ {
			changes++
			if all[i].who == all[i-2].who {
				back++
			}
		}
	}
	return ratio(float64(back), float64(changes))
}

// counts returns the number of lines of each speaker.
func counts(session []Line) map[string]int {
	of := map[string]int{}
	for _, l := range session {
		of[l.Who]++
	}
	return of
}

// top returns the speaker with the most lines, the first of several, and their number.
func top(session []Line) (string, int) {
	of := counts(session)
	who := ""
	for _, l := range session {
		if who == "" || of[l.Who] > of[who] {
			who = l.Who
		}
	}
	return who, of[who]
}

// topShare is the mean over sessions.
func topShare(t *transcript) figure {
	sum := 0.0
	for _, s := range t.long {
		_, n := top(s)
		sum += float64(n) / float64(len(s))
	}
	return ratio(sum, float64(len(t.long)))
}

// otherTop is the share of sessions whose top speaker is another one than in the session before.
func otherTop(t *transcript) figure {
	changed, last := 0, ""
	for i, s := range t.long {
		who, _ := top(s)
		if i > 0 && who != last {
			changed++
		}
		last = who
	}
	return ratio(float64(changed), float64(len(t.long)-min(len(t.long), 1)))
}
