package markup_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
)

func TestParse(t *testing.T) {
	t.Parallel()

	type entities = []markup.Entity

	tests := []struct {
		mode, in, plain string
		want            entities
	}{
		{"", "  hello *you*\n", "hello *you*", nil},
		{"", "/ask@ada_bot what? @bob see https://a.example/x?y=1, #books $TEA", "/ask@ada_bot what? @bob see https://a.example/x?y=1, #books $TEA", entities{
			{Type: "bot_command", Offset: 0, Length: 12},
			{Type: "mention", Offset: 19, Length: 4},
			{Type: "url", Offset: 28, Length: 23},
			{Type: "hashtag", Offset: 53, Length: 6},
			{Type: "cashtag", Offset: 60, Length: 4},
		}},
		{"", "mail a@b.org, not a/b or x@y", "mail a@b.org, not a/b or x@y", entities{{Type: "email", Offset: 5, Length: 7}}},
		{"HTML", "<b>A &lt; <i>B</i></b>🏟<code>@no</code>", "A < B🏟@no", entities{
			{Type: "bold", Offset: 0, Length: 5}, {Type: "italic", Offset: 4, Length: 1}, {Type: "code", Offset: 7, Length: 3},
		}},
		{"html", `<a href="https://x.org/?a=1&amp;b=2">x</a> & <pre><code class="language-go">f()</code></pre>`, "x & f()", entities{
			{Type: "text_link", Offset: 0, Length: 1, URL: "https://x.org/?a=1&b=2"}, {Type: "pre", Offset: 4, Length: 3, Language: "go"},
		}},
		{"HTML", `<span class="tg-spoiler">s</span><blockquote expandable>q</blockquote>`, "sq", entities{
			{Type: "spoiler", Offset: 0, Length: 1}, {Type: "expandable_blockquote", Offset: 1, Length: 1},
		}},
		{"Markdown", "*b* _i_ `c` [t](http://x.org) \\_ [no]", "b i c t _ no", entities{
			{Type: "bold", Offset: 0, Length: 1},
			{Type: "italic", Offset: 2, Length: 1},
			{Type: "code", Offset: 4, Length: 1},
			{Type: "text_link", Offset: 6, Length: 1, URL: "http://x.org"},
		}},
		{"Markdown", "```go\nx```", "x", entities{{Type: "pre", Offset: 0, Length: 1, Language: "go"}}},
		{"MarkdownV2", "*b _i_* __u__ ~s~ ||p|| `c_` [t](http://x.org/\\)) 1\\.", "b i u s p c_ t 1.", entities{
			{Type: "bold", Offset: 0, Length: 3},
			{Type: "italic", Offset: 2, Length: 1},
			{Type: "underline", Offset: 4, Length: 1},
			{Type: "strikethrough", Offset: 6, Length: 1},
			{Type: "spoiler", Offset: 8, Length: 1},
			{Type: "code", Offset: 10, Length: 2},
			{Type: "text_link", Offset: 13, Length: 1, URL: "http://x.org/)"},
		}},
		{"MarkdownV2", ">q1\n>q2\nafter ```go\nf(x)```", "q1\nq2\nafter f(x)", entities{
			{Type: "blockquote", Offset: 0, Length: 5}, {Type: "pre", Offset: 12, Length: 4, Language: "go"},
		}},
		{"MarkdownV2", "![👍](tg://emoji?id=5368)", "👍", entities{{Type: "custom_emoji", Offset: 0, Length: 2, CustomEmojiID: "5368"}}},
	}
	for _, tt := range tests {
		t.Run(tt.mode+" "+tt.in, func(t *testing.T) {
			t.Parallel()

			got, err := markup.Parse(tt.in, tt.mode)
			if err != nil {
				t.Fatal(err)
			}

			want := markup.Text{Plain: tt.plain, Entities: tt.want}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()

	tests := []struct{ mode, in, want string }{
		{"HTML", "a <b>c", `Can't find end tag corresponding to start tag "b"`},
		{"HTML", "a <p>c</p>", `Unsupported start tag "p" at byte offset 2`},
		{"HTML", "a</b>", "Unexpected end tag at byte offset 1"},
		{"HTML", "<b>a</i>", `Unmatched end tag at byte offset 4, expected "</b>", found "</i>"`},
		{"HTML", "1 < 2", "Unclosed start tag at byte offset 2"},
		{"HTML", "<b>1</b", "Unclosed end tag at byte offset 4"},
		{"HTML", "<span>1</span>", `Tag "span" must have class "tg-spoiler" at byte offset 0`},
		{"Markdown", "a *b", "Can't find end of the entity starting at byte offset 2"},
		{"Markdown", "a [b", "Can't find end of the entity starting at byte offset 2"},
		{"MarkdownV2", "🏟 🏟_abacaba", "Can't find end of Italic entity at byte offset 9"},
		{"MarkdownV2", "🏟 🏟_abac * asd ", "Can't find end of Bold entity at byte offset 15"},
		{"MarkdownV2", "🏟 🏟_abac * asd _", "Can't find end of Italic entity at byte offset 21"},
		{"MarkdownV2", "🏟 🏟`", "Can't find end of Code entity at byte offset 9"},
		{"MarkdownV2", "🏟 🏟```", "Can't find end of Pre entity at byte offset 9"},
		{"MarkdownV2", "🏟 🏟```a", "Can't find end of Pre entity at byte offset 9"},
		{"MarkdownV2", "🏟 🏟```a ", "Can't find end of PreCode entity at byte offset 9"},
		{"MarkdownV2", "a.", `Character '.' is reserved and must be escaped with the preceding '\'`},
		{"MarkdownV2", "a|b", `Character '|' is reserved and must be escaped with the preceding '\'`},
		{"MarkdownV2", "[a](b", "Can't find end of a URL at byte offset 4"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()

			var syntax *markup.SyntaxError
			if _, err := markup.Parse(tt.in, tt.mode); !errors.As(err, &syntax) || syntax.Reason != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}

	if _, err := markup.Parse("a", "bbcode"); !errors.Is(err, markup.ErrMode) {
		t.Errorf("got %v, want ErrMode", err)
	}
}

func TestWithKeepsEntitiesInsideOfTheText(t *testing.T) {
	t.Parallel()

	got := markup.With(" 👍 ok ", []markup.Entity{
		{Type: "bold", Offset: 1, Length: 2},
		{Type: "bold", Offset: 5, Length: 9},
		{Type: "italic", Offset: -1, Length: 2},
		{Type: "code", Offset: 0, Length: 0},
		{Type: "italic", Offset: 4, Length: 3},
	})

	want := markup.Text{Plain: "👍 ok", Entities: []markup.Entity{
		{Type: "bold", Offset: 0, Length: 2}, {Type: "italic", Offset: 3, Length: 2},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"*b _i_*", "<b>a</b>&lt;", "```go\nx```", ">q\n>r", "[a](b)", "![x](tg://emoji?id=1)", "a\\", "/c@d_e", "\xff*\xfe*"} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, in string) {
		for _, mode := range []string{"", "HTML", "Markdown", "MarkdownV2"} {
			got, err := markup.Parse(in, mode)
			if err != nil {
				continue
			}

			size := markup.Len(got.Plain)
			for _, e := range got.Entities {
				if e.Offset < 0 || e.Length <= 0 || e.Offset+e.Length > size {
					t.Fatalf("%s %q: entity %+v outside of %q (%d)", mode, in, e, got.Plain, size)
				}
			}
		}
	})
}
