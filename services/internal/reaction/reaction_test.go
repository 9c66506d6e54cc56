package reaction_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/reaction"
)

func TestAllHasTelegramsBytes(t *testing.T) {
	t.Parallel()
	all := reaction.All()
	if len(all) != 73 {
		t.Errorf("%d reactions, want 73", len(all))
	}
	seen := make(map[string]bool)
	for _, e := range all {
		if strings.ContainsRune(e, '\uFE0F') {
			t.Errorf("%s (%x) carries U+FE0F", e, e)
		}
		if seen[e] {
			t.Errorf("%s stands twice", e)
		}
		seen[e] = true
		if !reaction.Valid(e) || reaction.Normalize(e) != e {
			t.Errorf("%s (%x) is not valid or not normal", e, e)
		}
	}
	// Emoji that are easily written with other bytes.
	for _, want := range []string{
		"e29da4",                     // ❤ U+2764
		"e29da4e2808df09f94a5",       // ❤‍🔥 U+2764 U+200D U+1F525
		"f09fa4b7",                   // 🤷 U+1F937
		"f09fa4b7e2808de29982",       // 🤷‍♂ U+1F937 U+200D U+2642
		"f09fa4b7e2808de29980",       // 🤷‍♀ U+1F937 U+200D U+2640
		"f09f91a8e2808df09f92bb",     // 👨‍💻 U+1F468 U+200D U+1F4BB
		"e29c8d", "e29883", "e29aa1", // ✍ ☃ ⚡
		"f09f958a", // 🕊
	} {
		b, err := hex.DecodeString(want)
		if err != nil {
			t.Fatal(err)
		}
		if !seen[string(b)] {
			t.Errorf("%s (%s) is missing", b, want)
		}
	}
}

func TestAllBelongsToTheCaller(t *testing.T) {
	t.Parallel()
	clear(reaction.All())
	if !reaction.Valid(reaction.All()[0]) {
		t.Error("a caller changed the list")
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                   "",
		"👍":                  "👍",
		"👍🏿":                 "👍",
		"\u2764\ufe0f":       "\u2764",
		"\u2764\ufe0e":       "\u2764",
		" 🔥\n":               "🔥",
		"❤\ufe0f\u200d🔥":     "❤\u200d🔥",
		"🤷🏽\u200d♂\ufe0f":    "🤷\u200d♂",
		"👨🏻\u200d💻":          "👨\u200d💻",
		"not an emoji":       "not an emoji",
		"\ufe0f\U0001F3FB 👍": "👍",
	} {
		if got := reaction.Normalize(in); got != want {
			t.Errorf("Normalize(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, e := range []string{"", " ", "👍 👎", "👍👎", "\u2764\ufe0f", "👍🏿", "😂", "thumbs up", "\U0001F44D "} {
		if reaction.Valid(e) {
			t.Errorf("%q is valid", e)
		}
	}
}

func TestEveryReactionHasOneMood(t *testing.T) {
	t.Parallel()
	var none []string
	for _, e := range reaction.All() {
		if reaction.MoodOf(e) == reaction.NoMood {
			none = append(none, e)
		}
	}
	if none != nil {
		t.Errorf("without a mood: %v", none)
	}
	// Each emoji belongs to one mood, and all moods together have the 73.
	seen := make(map[string]bool)
	for _, m := range reaction.Moods() {
		for _, e := range drawAll(t, m, nil) {
			if got := reaction.MoodOf(e); got != m || seen[e] {
				t.Errorf("%s of %v is of %v too", e, m, got)
			}
			seen[e] = true
		}
	}
	if len(seen) != len(reaction.All()) {
		t.Errorf("the moods have %d reactions, want %d", len(seen), len(reaction.All()))
	}
}

// drawAll returns everything that Of can return.
func drawAll(t *testing.T, m reaction.Mood, allowed []string) []string {
	t.Helper()
	var drawn []string
	for i, n := 0, 1; i < n; i++ {
		e, ok := reaction.Of(m, allowed, func(most int) int { n = most; return i })
		if !ok {
			return drawn
		}
		if !reaction.Valid(e) {
			t.Errorf("Of(%v) = %q, which is no reaction", m, e)
		}
		drawn = append(drawn, e)
	}
	return drawn
}

func TestOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mood    reaction.Mood
		allowed []string
		want    []string
	}{
		{reaction.Sadness, nil, []string{"😢", "😭", "💔"}},
		{reaction.Sadness, []string{"👍", "💔", "😭", "🎉"}, []string{"😭", "💔"}},
		{reaction.Love, []string{"❤\ufe0f", "👍"}, []string{"❤"}},
		{reaction.Sadness, []string{"❤", "🎉"}, []string{"❤"}},
		{reaction.Sadness, []string{"🎉", "🤣"}, nil},
		{reaction.Approval, []string{}, nil},
		{reaction.NoMood, nil, nil},
		{reaction.Mood(99), nil, nil},
		{reaction.Amusement, []string{"😂"}, nil}, // Telegram doesn't accept 😂, even if the chat lists it
	} {
		if diff := cmp.Diff(tc.want, drawAll(t, tc.mood, tc.allowed)); diff != "" {
			t.Errorf("%v in a chat with %v:\n%s", tc.mood, tc.allowed, diff)
		}
		usual, ok := reaction.Of(tc.mood, tc.allowed, nil)
		if ok != (tc.want != nil) || ok && usual != tc.want[0] {
			t.Errorf("%v in a chat with %v: the usual one is %q, %v", tc.mood, tc.allowed, usual, ok)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		emoji   string
		allowed []string
		want    string // "" for none
	}{
		{"👍", nil, "👍"},
		{"\u2764\ufe0f", nil, "\u2764"},
		{"👍🏽", []string{"👍"}, "👍"},
		{"❤", []string{"\u2764\ufe0f"}, "❤"},
		{"😂", nil, "😁"},
		{"😂", []string{"🤣", "👍"}, "🤣"},
		{"😭", []string{"👍", "😢"}, "😢"},
		{"🤣", []string{"👍", "🔥"}, "🔥"},
		{"😡", []string{"👍", "👎"}, "👎"},
		{"💔", []string{"🎉", "🤣"}, ""},
		{"👎", []string{"🖕", "💩"}, ""}, // a substitute is never ruder
		{"🖕", []string{"💩", "👎"}, "💩"},
		{"👍", []string{}, ""},
		{"🧶", nil, ""},
		{"", nil, ""},
		{"lol", []string{"👍"}, ""},
	} {
		got, ok := reaction.Nearest(tc.emoji, tc.allowed)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("Nearest(%q, %v) = %q, %v; want %q", tc.emoji, tc.allowed, got, ok, tc.want)
		}
	}
}

// A substitute for a feeling is never an insult or the opposite feeling.
func TestSubstitutesKeepTheTone(t *testing.T) {
	t.Parallel()
	bad := map[reaction.Mood]bool{reaction.Sadness: true, reaction.Disapproval: true, reaction.Anger: true, reaction.Scorn: true, reaction.Insult: true}
	good := map[reaction.Mood]bool{reaction.Approval: true, reaction.Celebration: true, reaction.Amusement: true, reaction.Excitement: true}
	for _, from := range reaction.All() {
		for _, to := range reaction.All() {
			got, ok := reaction.Nearest(from, []string{to})
			if !ok {
				continue
			}
			was, is := reaction.MoodOf(from), reaction.MoodOf(got)
			if is == reaction.Insult && was != reaction.Insult || good[was] && bad[is] || bad[was] && good[is] {
				t.Errorf("%s (%v) became %s (%v)", from, was, got, is)
			}
		}
	}
}

func TestMoodNamesDiffer(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, m := range append(reaction.Moods(), reaction.NoMood, reaction.Mood(99)) {
		if name := m.String(); name == "" || seen[name] {
			t.Errorf("%d: the name %q is empty or taken", int(m), name)
		} else {
			seen[name] = true
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, e := range reaction.All() {
		f.Add(e)
		f.Add(e + "\ufe0f")
	}
	f.Add("🤷🏽\u200d♂\ufe0f")
	f.Add("\xff\ufe0f ")
	f.Fuzz(func(t *testing.T, s string) {
		n := reaction.Normalize(s)
		if reaction.Normalize(n) != n {
			t.Errorf("Normalize(%q) = %q is not normal", s, n)
		}
		if strings.ContainsRune(n, '\uFE0F') || strings.ContainsRune(n, '\U0001F3FD') || !utf8.ValidString(n) {
			t.Errorf("Normalize(%q) = %q", s, n)
		}
		if e, ok := reaction.Nearest(s, nil); ok && !reaction.Valid(e) {
			t.Errorf("Nearest(%q) = %q, which is no reaction", s, e)
		}
		if reaction.Valid(n) {
			if e, ok := reaction.Nearest(s, nil); !ok || e != n {
				t.Errorf("Nearest(%q) = %q, %v; want the emoji itself", s, e, ok)
			}
		}
	})
}
