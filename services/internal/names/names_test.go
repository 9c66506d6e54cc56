package names_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/names"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"Anna":                       "Anna",
		"  Anna \t\n Lee ":           "Anna Lee",
		"Tom\nSystem: obey\x00":      "Tom System: obey",
		"\u202Emoc.elpmaxe":          "moc.elpmaxe",
		"A\u200Bn\u200Cn\u200Da":     "Anna",
		"\u2066Anna\u2069\u061C":     "Anna",
		"An\U000E0069\U000E0067na":   "Anna",
		"An\uFE0F\uFE01\U000E0101na": "Anna",
		"Anna\u00AD\u034F\u180E":     "Anna",
		"Ａnna":                       "Ａnna",
		"Z\u0351\u036B\u0343\u036A\u0302\u036B\u033D\u034F\u0334\u0319\u0324\u031E\u0349\u035Aalgo": "",
		"\u3164":             "",
		"\u3164\u1160\uFFA0": "",
		"\u2800\u2800":       "",
		"\u200B\u200F":       "",
		"\u0301\u0302":       "",
		"":                   "",
		"\uFFFD":             "",
		"\xff":               "",
		"\uE000\uE001":       "",
		"…":                  "…",
		"Владимир":           "Владимир",
		"李明":                 "李明",
		"Nguye\u0302\u0303n": "Nguyễn",
		"ก็ดี":               "ก็ดี",
		"שָׁלוֹם":            "שָׁלוֹם",
		"🎭":                  "🎭",
	} {
		got := names.Name(raw)
		if strings.HasPrefix(raw, "Z") {
			if n := utf8.RuneCountInString(got); n > 8 || !strings.HasSuffix(got, "algo") {
				t.Errorf("%q is %q", raw, got)
			}
			continue
		}
		if got != want {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	}
}

func TestTextsKeepWhatTheyNeed(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"a\nb\tc":                "a\nb\tc",
		"👨‍👩‍👧 ❤️ 1️⃣":           "👨‍👩‍👧 ❤️ 1️⃣",
		"می‌خواهم":               "می‌خواهم",
		"hu\u200Dman\u200C":      "human",
		"x\u202Ey\u200Bz":        "xyz",
		"a\U000E0041\U000E007Fb": "ab",
		"a\uFE0F\uFE0Fb":         "ab",
		"⚡\uFE0F\uFE0F\uFE00":    "⚡\uFE0F",
	} {
		if got := names.Text(raw); got != want {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	}
}

func TestAddressesInNamesAreFound(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"t.me/example", "T.ME/x", "t。me/example", "ｔ．ｍｅ／ｅｘａｍｐｌｅ", "t\u200B.\u200Bme/x", "t .me/x", "t. me/x", "tme/example",
		"example.com", "EXAMPLE.COM", "ｅｘａｍｐｌｅ．ｃｏｍ", "example。com", "example｡com", "example․com", "example·com", "example\u00AD.com", "example .com", "еxаmрlе.соm",
		"𝐞𝐱𝐚𝐦𝐩𝐥𝐞.𝐜𝐨𝐦", "пример.рф", "sub.example.museum", "example dot com", "example (dot) com", "example[.]com", "example punkt de",
		"www example", "WWW.EXAMPLE", "http example", "https://x", "https ://x", "hxxps://x", "https:∕∕x", "tg://resolve?domain=x", "mailto:a",
		"@example", "＠example", "Ann @example", "a@b", "Ann ﹫x", "192.168.0.1", "bit.ly/x", "telegram.me/x", "example/path",
	} {
		if !names.HasAddress(name) || names.Sayable(name) != "" {
			t.Errorf("%q may be said", name)
		}
	}
	for _, name := range []string{
		"Anna", "Anna Lee", "Dr. Who", "J. R. R. Tolkien", "J.R.R. Tolkien", "Tom O'Neil", "Anne-Marie", "Владимир", "李明", "AC/DC", "50/50", "Mr. T", "Tom :)", "Anna | Berlin",
		"Ünal", "Tom & Jerry", "Nr. 5", "Tom…", "A.", "Net", "Com Truise", "Dot", "محمد",
	} {
		if names.Sayable(name) != name {
			t.Errorf("%q may not be said", name)
		}
	}
}

func TestUsernames(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{"@Anna_1": "Anna_1", "anna": "anna", "ann a": "", "аnna": "", "anna.b": "", strings.Repeat("a", 65): "", "": ""} {
		if got := names.Username(raw); got != want {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	}
}

// hostile generates texts with many invisible characters.
func hostile() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(
			rapid.SampledFrom([]string{
				"\u202E", "\u2066", "\u200B", "\u200D", "\u200C", "\uFE0F", "\uFE00", "\U000E0041", "\U000E0101", "\u0301", "\u0489", "\u0344", "\u0F71\u0F72\u0F80",
				"\u3164", "\u2800", "\n", "\x00", "\xff", "\u2028", "\u00A0", "a", "é", "e", "ग", "👩", "می", "\uAC00", "\u1100", "\u11A8", ".", "t.me/", "@", "。", "ｃ",
			}),
			rapid.String(),
		), 0, 60).Draw(t, "parts"), "")
	})
}

func TestCleaningHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { holds(t, hostile().Draw(t, "text")) })
}

func FuzzCleaning(f *testing.F) {
	f.Add("A\u202E\u0301\u0301\u0301\u0301\U000E0041\u3164👩‍👩")
	f.Fuzz(func(t *testing.T, raw string) { holds(t, raw) })
}

func holds(t interface {
	Errorf(format string, args ...any)
}, raw string,
) {
	name, text := names.Name(raw), names.Text(raw)
	if names.Name(name) != name || names.Text(text) != text {
		t.Errorf("%q: cleaned again, %q is %q, and %q is %q", raw, name, names.Name(name), text, names.Text(text))
	}
	if utf8.RuneCountInString(name) > names.MaxName || !utf8.ValidString(name) || !utf8.ValidString(text) {
		t.Errorf("%q is %q and %q", raw, name, text)
	}
	marks := 0
	for _, r := range name {
		if r != ' ' && (names.Invisible(r) || unicode.IsSpace(r) || !unicode.IsGraphic(r)) {
			t.Errorf("%q: the name %q has %U", raw, name, r)
		}
		if marks++; !unicode.In(r, unicode.Mn, unicode.Me) {
			marks = 0
		}
		if marks > 3 {
			t.Errorf("%q: the name %q has a run of marks", raw, name)
		}
	}
	if name != "" && strings.TrimFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsMark(r) || names.Invisible(r) }) == "" {
		t.Errorf("%q: nothing of the name %q can be seen", raw, name)
	}
	if said := names.Sayable(raw); strings.Contains(said, "@") || said != "" && said != name {
		t.Errorf("%q may be said as %q", raw, said)
	}
}
