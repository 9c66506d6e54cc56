package generator

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

const (
	nobody = chorusv1.Mention_MENTION_UNSPECIFIED
	start  = chorusv1.Mention_MENTION_START
	end    = chorusv1.Mention_MENTION_END
)

func TestCompose(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		draft      string
		where      chorusv1.Mention
		whom       string
		disclaimer string
		want       string
	}{
		"as it is":                       {"Hello there.", nobody, "@tom", "", "Hello there."},
		"trimmed":                        {"\n Hello \n", nobody, "", "", "Hello"},
		"a mention at the start":         {"Hello.", start, "@tom", "", "@tom Hello."},
		"a mention at the end":           {"Hello.", end, "@tom", "", "Hello. @tom"},
		"a mention of nobody":            {"Hello.", end, "", "", "Hello."},
		"a name that is there":           {"Hello @Tom!", start, "@tom", "", "Hello @Tom!"},
		"a name within another":          {"Hello @tommy!", start, "@tom", "", "@tom Hello @tommy!"},
		"a name within a word":           {"See you tomorrow.", end, "Tom", "", "See you tomorrow. Tom"},
		"a name after one like it":       {"@tommy and @tom", start, "@tom", "", "@tommy and @tom"},
		"a disclaimer":                   {"Buy!", nobody, "", "Not  advice.", "Buy! Not advice."},
		"a disclaimer that is there":     {"Buy! Not advice.", nobody, "", "Not advice.", "Buy! Not advice."},
		"a disclaimer after the mention": {"Buy! Not advice.", end, "@tom", "Not advice.", "Buy! @tom Not advice."},
		"only a disclaimer":              {"Not advice.", end, "@tom", "Not advice.", ""},
		"nothing":                        {" \x00\n", start, "@tom", "", ""},
		"what no database stores":        {"a\x00b\x1b[1mc\r\n\td\xff", nobody, "", "", "ab[1mc\n\td"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := compose(test.draft, test.where, test.whom, test.disclaimer); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		room int
		want string
	}{
		"all of it":            {"One two.", 8, "One two."},
		"after a sentence":     {"One two. Three four five.", 15, "One two."},
		"not within a number":  {"It is 3.14 and so on", 12, "It is 3.14…"},
		"after a word":         {"One two, three four", 12, "One two…"},
		"anywhere":             {"Abcdefghij", 5, "Abcd…"},
		"emoji count two":      {"🙂🙂🙂", 5, "🙂🙂…"},
		"no early sentence":    {"A. Bcd efg hij klm nop", 16, "A. Bcd efg hij…"},
		"a sentence at an end": {"One two.\nThree four five", 14, "One two."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := fit(test.text, test.room); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatIsComposedCanBeSent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draft := strings.Repeat(rapid.String().Draw(t, "draft"), rapid.IntRange(0, 3000).Draw(t, "times"))
		whom := rapid.StringN(0, 256, -1).Draw(t, "whom")
		disclaimer := rapid.StringN(0, 500, -1).Draw(t, "disclaimer")
		got := compose(draft, rapid.SampledFrom([]chorusv1.Mention{nobody, start, end}).Draw(t, "where"), whom, disclaimer)
		if n := telegram.TextLength(got); n > telegram.MaxText {
			t.Errorf("%d characters", n)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q is no UTF-8", got)
		}
		if got != "" && !strings.HasSuffix(got, names.Line(names.Text(disclaimer), 0)) {
			t.Errorf("%q does not end with %q", got, disclaimer)
		}
	})
}

func TestTyping(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		wpm  float64
		most time.Duration
		want time.Duration
	}{
		"fifty characters at 60 words a minute": {strings.Repeat("abcd ", 10), 60, time.Minute, 10 * time.Second},
		"no shorter than can be seen":           {"ok", 400, time.Minute, minTyping},
		"no longer than is bearable":            {strings.Repeat("é", 1000), 40, 6 * time.Second, 6 * time.Second},
		"off":                                   {"ok", 40, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := typing(test.text, test.wpm, test.most); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestConfigsMistakesAreNamed(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for key, change := range map[string]func(*Config){
		"history:":       func(c *Config) { c.History = -1 },
		"max_tokens:":    func(c *Config) { c.MaxTokens = 1 },
		"temperature:":   func(c *Config) { c.Temperature = 3 },
		"max_typing:":    func(c *Config) { c.MaxTyping = time.Hour },
		"prompt_tokens:": func(c *Config) { c.PromptTokens = 1 },
		"similarity:":    func(c *Config) { c.Similarity = 2 },
		"learn_every:":   func(c *Config) { c.LearnEvery = time.Second },
		"news.feeds:":    func(c *Config) { c.News.Feeds = []string{"books"} },
		"news.every:":    func(c *Config) { c.News.Every = time.Second },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) || !strings.Contains(err.Error(), "want") {
			t.Errorf("%s %v", key, err)
		}
	}
}
