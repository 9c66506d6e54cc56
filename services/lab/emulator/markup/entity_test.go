package markup_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
)

func TestLenCountsUTF16(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text")
		if got, want := markup.Len(text), len(utf16.Encode([]rune(text))); got != want {
			rt.Fatalf("%q: got %d, want %d", text, got, want)
		}
	})
}

// The message's entities lie inside its text and cover the same text as the given ones.
func TestGivenEntitiesCoverTheSameText(t *testing.T) {
	t.Parallel()

	numbers := rapid.OneOf(rapid.IntRange(-3, 12), rapid.Int())

	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[ \n]{0,3}[a-c🏟 ]{0,8}[ \n]{0,3}`).Draw(rt, "text")
		given := markup.Entity{Type: "bold", Offset: numbers.Draw(rt, "offset"), Length: numbers.Draw(rt, "length")}
		got := markup.With(text, []markup.Entity{given})

		if want := strings.TrimFunc(text, unicode.IsSpace); got.Plain != want {
			rt.Fatalf("%q became %q", text, got.Plain)
		}

		units, plain := utf16.Encode([]rune(text)), utf16.Encode([]rune(got.Plain))

		if len(got.Entities) == 0 {
			valid := given.Offset >= 0 && given.Length > 0 && given.Offset < len(units) && given.Length <= len(units)-given.Offset
			if valid && strings.TrimFunc(string(utf16.Decode(units[given.Offset:given.Offset+given.Length])), unicode.IsSpace) != "" {
				rt.Fatalf("%q lost %+v", text, given)
			}

			return
		}

		e := got.Entities[0]
		if e.Offset < 0 || e.Length <= 0 || e.Length > len(plain)-e.Offset {
			rt.Fatalf("%+v lies outside of %q", e, got.Plain)
		}

		was := string(utf16.Decode(units[given.Offset : given.Offset+given.Length]))
		is := string(utf16.Decode(plain[e.Offset : e.Offset+e.Length]))

		if !strings.Contains(was, is) || strings.TrimFunc(was, unicode.IsSpace) != strings.TrimFunc(is, unicode.IsSpace) {
			rt.Fatalf("%+v covered %q, and %+v covers %q", given, was, e, is)
		}
	})
}

// A text that is escaped by the rules of Telegram's manual stays the same.
func TestEscapedTextIsPlain(t *testing.T) {
	t.Parallel()

	escapes := map[string]func(string) string{
		"HTML": func(s string) string { return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s) },
		"MarkdownV2": func(s string) string {
			var out strings.Builder

			for _, r := range s {
				if strings.ContainsRune("_*[]()~`>#+-=|{}.!\\", r) {
					out.WriteByte('\\')
				}

				out.WriteRune(r)
			}

			return out.String()
		},
	}

	rapid.Check(t, func(rt *rapid.T) {
		text := strings.TrimSpace(rapid.StringMatching(`[a-b_*\[\]()~>#+=|{}.!\\<&;"🏟 \n`+"`"+`-]{0,20}`).Draw(rt, "text"))

		for mode, escape := range escapes {
			got, err := markup.Parse(escape(text), mode)
			if err != nil {
				rt.Fatalf("%s of %q: %v", mode, text, err)
			}

			want := markup.With(text, nil)
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("%s of %q: %s", mode, text, diff)
			}
		}
	})
}
