package offline

import (
	"slices"
	"strings"
	"unicode"

	"github.com/chorus-cast/chorus/services/internal/voice"
)

// pair is a frame that another line follows on by a rule. A line is in it that has what
// stands before and behind the frame's thing, in small letters.
type pair struct {
	rule, before, behind string
	named, asks          bool
}

// after begins the names of rules that follow on others.
const after = "after_"

// pairs are the frames of all rules that another follows on, the longest first.
func (g grammar) pairs() []pair {
	var all []pair
	for name, voices := range g {
		if g[after+name] == nil {
			continue
		}
		for _, alternatives := range voices {
			for _, a := range alternatives {
				all = append(all, a.pair(after+name))
			}
		}
	}
	slices.SortFunc(all, func(a, b pair) int {
		if n := len(b.before) + len(b.behind) - len(a.before) - len(a.behind); n != 0 {
			return n
		}
		return strings.Compare(a.before+a.behind, b.before+b.behind)
	})
	return slices.DeleteFunc(all, func(p pair) bool { return len(p.before)+len(p.behind) < minFrame })
}

// minFrame is how long a frame is at least that is recognised.
const minFrame = 6

func (a *alternative) pair(rule string) pair {
	p := pair{rule: rule}
	for i, of := range a.parts {
		text := strings.ToLower(voice.Whole(strings.TrimRight(of.text, ".!?")))
		behind := i > 0 && a.parts[i-1].slot && isThing(a.parts[i-1].text)
		switch {
		case of.slot && isThing(of.text):
			p.named, p.before, p.behind = true, "", ""
			if i > 0 {
				p.before = strings.ToLower(voice.Whole(a.parts[i-1].text))
			}
		case !of.slot && behind:
			p.behind = text
		case !of.slot && !p.named && len(text) > len(p.before):
			p.before = text
		}
	}
	p.asks = strings.HasSuffix(a.parts[len(a.parts)-1].text, "?")
	return p
}

func isThing(slot string) bool {
	return slices.Contains([]string{"thing", "interest", "holding", "subject", "word", "topic"}, slot)
}

// follow is the rule that follows on a text, and the thing that the text names by its
// frame; "" where it is in none.
func (l *language) follow(text string) (rule, thing string) {
	text = voice.Whole(lastSentence(text))
	lower := strings.ToLower(text)
	if len(lower) != len(text) {
		return "", ""
	}
	asks := strings.HasSuffix(text, "?")
	for _, p := range l.pairs {
		at := strings.Index(lower, p.before)
		if at < 0 || p.asks != asks || !p.named && at > 0 && lower[at-1] != ' ' && p.before[0] != ',' {
			continue
		}
		if !p.named {
			return p.rule, ""
		}
		from := at + len(p.before)
		to := strings.IndexFunc(lower[from:], func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune(" -'’", r) })
		if p.behind != "" {
			to = strings.Index(lower[from:], p.behind)
		}
		if to < 0 && p.behind == "" {
			to = len(lower) - from
		}
		if to <= 0 || to > maxThing {
			continue
		}
		thing = strings.TrimSpace(text[from : from+to])
		if own, ok := strings.CutPrefix(thing, l.lexicon.My); ok && l.lexicon.My != "" {
			thing = l.lexicon.Your + own
		}
		return p.rule, thing
	}
	return "", ""
}

func lastSentence(text string) string {
	from, last := 0, text
	for _, end := range append(sentenceEnds(text), len(text)) {
		if s := strings.TrimSpace(text[from:end]); s != "" {
			last = s
		}
		from = end
	}
	return last
}

// maxThing is how long a thing's name is at most.
const maxThing = 60

// pieces are what frames without a clause in them say themselves.
func (g grammar) pieces() []string {
	var all []string
	for _, voices := range g {
		for _, alternatives := range voices {
			for _, a := range alternatives {
				if strings.Count(a.piece, " ") >= 2 {
					all = append(all, a.piece)
				}
			}
		}
	}
	return all
}
