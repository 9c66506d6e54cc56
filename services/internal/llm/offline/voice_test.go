package offline_test

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

// examples are the casts of the example files, of which a chat may have no other
// topics than its own.
func examples(t *testing.T) map[string]cast {
	t.Helper()
	files, err := filepath.Glob("../../../../deploy/examples/*-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all := map[string]cast{"pirates": pirates()}
	for _, name := range files {
		f, err := castfile.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, chat := range f.Cast.Chats {
			c := cast{purpose: chat.Purpose, disclaimer: chat.Disclaimer, topics: chat.Topics}
			for _, b := range f.Cast.Bots {
				if slices.Contains(chat.Cast, b.Name) {
					c.members = append(c.members, memberOf(b))
				}
			}
			all[chat.Name] = c
		}
	}
	return all
}

func memberOf(b roster.Bot) member {
	p := b.Persona
	m := member{persona: script.Persona{
		Name: p.DisplayName, Summary: p.Summary, Tone: p.Tone, Phrases: p.Phrases, Interests: p.Interests,
		Hint: p.Hint, Empathy: float64(p.Empathy), Energy: float64(p.Energy), Voice: p.Voice,
	}}
	for _, s := range b.Stances {
		m.stances = append(m.stances, script.Stance{Topic: s.Topic, Text: s.Stance, Confidence: float64(s.Confidence)})
	}
	for _, h := range b.Holdings {
		m.holdings = append(m.holdings, fmt.Sprintf("%v x %s", h.Quantity, h.Item))
	}
	return m
}

var ending = regexp.MustCompile(`[.!?…]["'”)]*(?: |$)`)

// sentences are those of a text in small letters, but for a short one that opens it.
func sentences(text string) []string {
	var all []string
	for _, s := range ending.Split(strings.ToLower(text), -1) {
		words := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' })
		if len(words) > 0 {
			all = append(all, strings.Join(words, " "))
		}
	}
	if len(all) > 1 && len(strings.Fields(all[0])) <= 3 {
		all = all[1:]
	}
	return all
}

func TestNoSentenceComesTwice(t *testing.T) {
	t.Parallel()
	const within = 200
	for name, c := range examples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				at := map[string]int{}
				twice := 0
				for i, l := range talk(t, c, seed, 2*within, within) {
					for _, s := range sentences(strings.TrimSuffix(l.Text, c.disclaimer)) {
						if was, said := at[s]; said && s != "" && i-was <= within {
							twice++
							t.Logf("seed %d: %q was said %d lines ago", seed, s, i-was)
						}
						at[s] = i
					}
				}
				if twice > 0 {
					t.Errorf("seed %d: %d sentences came again", seed, twice)
				}
			}
		})
	}
}

// TestLinesAreOfAllLengths measures what people's lines have, too: see docs/generator.md.
func TestLinesAreOfAllLengths(t *testing.T) {
	t.Parallel()
	for name, c := range examples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := talk(t, c, 5, 400, 200)
			var lengths []float64
			var stops, smalls, asks, bangs, silent float64
			for _, l := range said {
				text := strings.TrimSpace(strings.TrimSuffix(l.Text, c.disclaimer))
				lengths = append(lengths, float64(len(strings.Fields(text))))
				first, _ := utf8.DecodeRuneInString(text)
				stops += count(strings.ContainsAny(text[len(text)-1:], ".!?"))
				smalls += count(unicode.IsLower(first))
				asks += count(strings.Contains(text, "?"))
				bangs += count(strings.Contains(text, "!"))
				silent += count(text == "…")
			}
			n := float64(len(said))
			mean, square, three, five := 0.0, 0.0, 0.0, 0.0
			for _, l := range lengths {
				mean += l / n
				three += count(l <= 3) / n
				five += count(l <= 5) / n
			}
			for _, l := range lengths {
				square += (l - mean) * (l - mean) / n
			}
			for _, m := range []struct {
				what            string
				is, least, most float64
			}{
				{"variation of words", math.Sqrt(square) / mean, 0.85, 1.2},
				{"lines of at most 3 words", three, 0.08, 0.4},
				{"lines of at most 5 words", five, 0.15, 0.5},
				{"lines with a question mark", asks / n, 0.12, 0.25},
				{"lines with an exclamation mark", bangs / n, 0, 0.12},
				{"lines that end a sentence", stops / n, 0.3, 0.85},
				{"lines that begin small", smalls / n, 0.1, 0.6},
				{"lines without a word", silent / n, 0, 0.01},
			} {
				if m.what == "lines that end a sentence" && c.disclaimer != "" {
					continue // before a disclaimer a sentence ends
				}
				t.Logf("%s: %.2f", m.what, m.is)
				if m.is < m.least || m.is > m.most {
					t.Errorf("%s: %.2f, want %.2f to %.2f", m.what, m.is, m.least, m.most)
				}
			}
		})
	}
}

func count(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// A text is broken only where that is allowed, between sentences, and not by all.
func TestBubblesAreLinesOfTheText(t *testing.T) {
	t.Parallel()
	p := provider(t)
	words := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '.' })
	}
	broken, all := 0, 0
	for _, c := range examples(t) {
		for _, m := range c.members {
			for seed := range uint64(40) {
				s := script.Scene{Persona: m.persona, Purpose: c.purpose, Topics: c.topics, Length: script.Medium, Language: "en", Seed: seed}
				whole := p.Compose(s, 0)
				s.Bubbles = true
				lines := strings.Split(p.Compose(s, 0), "\n")
				if got := strings.Join(lines, " "); !slices.Equal(words(got), words(whole)) || len(lines) > 3 || strings.Contains(whole, "\n") {
					t.Errorf("%s: %q became %q", m.persona.Name, whole, lines)
				}
				all++
				if len(lines) > 1 {
					broken++
				}
			}
		}
	}
	if broken < all/10 || broken > 6*all/10 {
		t.Errorf("%d of %d texts are broken", broken, all)
	}
}

// TestAGivenVoiceIsObeyed lets one persona speak in two voices.
func TestAGivenVoiceIsObeyed(t *testing.T) {
	t.Parallel()
	c := bookClub()
	mine := &c.members[1].persona // whose tone is dry
	figures := func(v voice.Voice) (words, small, stops, emoji, opened float64) {
		mine.Voice = v
		n := 0.0
		for _, l := range talk(t, c, 3, 400, 200) {
			if l.Author != mine.Name {
				continue
			}
			n++
			first, _ := utf8.DecodeRuneInString(l.Text)
			words += float64(len(strings.Fields(l.Text)))
			small += count(unicode.IsLower(first))
			stops += count(strings.HasSuffix(l.Text, "."))
			emoji += count(strings.ContainsFunc(l.Text, func(r rune) bool { return unicode.Is(unicode.So, r) }))
			opened += count(len(v.Openers) > 0 && strings.HasPrefix(strings.ToLower(l.Text), strings.ToLower(v.Openers[0])))
		}
		return words / n, small / n, stops / n, emoji / n, opened / n
	}
	brief, small, stops, emoji, opened := figures(voice.Voice{
		Length: voice.Terse, Capitals: voice.Lower, Stops: voice.Never, Emoji: voice.Often, Openers: []string{"Mark this:"},
	})
	if small < 0.7 || stops > 0.05 || emoji < 0.2 || opened < 0.1 {
		t.Errorf("%.2f begin small, %.2f end with a full stop, %.2f have an emoji, %.2f the opener", small, stops, emoji, opened)
	}
	long, small, stops, emoji, _ := figures(voice.Voice{Length: voice.Long, Capitals: voice.Standard, Stops: voice.Always, Emoji: voice.Never})
	if small > 0.02 || stops < 0.5 || emoji > 0 || long < 1.15*brief {
		t.Errorf("%.2f begin small, %.2f end with a full stop, %.2f have an emoji, and %.1f words are long where %.1f are terse", small, stops, emoji, long, brief)
	}
}
