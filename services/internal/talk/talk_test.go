package talk_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/talk"
)

// script reads lines such as "90 ann >1 Yes, it is.": the second, the speaker, the answered line,
// the text. Lines are numbered from 1, and names in capitals are people's.
func script(t *testing.T, text string) []talk.Line {
	t.Helper()
	var lines []talk.Line
	for i, row := range strings.Split(strings.TrimSpace(text), "\n") {
		at, rest, _ := strings.Cut(strings.TrimSpace(row), " ")
		who, said, _ := strings.Cut(rest, " ")
		second, err := strconv.Atoi(at)
		if err != nil {
			t.Fatal(err)
		}
		l := talk.Line{ID: int64(i + 1), Who: who, Bot: who == strings.ToLower(who), At: time.Unix(int64(second), 0)}
		if to, found := strings.CutPrefix(said, ">"); found {
			to, said, _ = strings.Cut(to, " ")
			if l.Answers, err = strconv.ParseInt(to, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		l.Text = said
		lines = append(lines, l)
	}
	return lines
}

// speakers returns a line a minute, each by the next name; a space is an hour.
func speakers(names string) string {
	var b strings.Builder
	at := 0
	for who := range strings.SplitSeq(names, "") {
		if who == " " {
			at += 3600
			continue
		}
		fmt.Fprintf(&b, "%d %s\n", at, who)
		at += 60
	}
	return b.String()
}

// at returns lines of one speaker at these seconds.
func at(seconds ...int) string {
	var b strings.Builder
	for _, s := range seconds {
		fmt.Fprintf(&b, "%d a\n", s)
	}
	return b.String()
}

// said returns a line for each text, by one speaker.
func said(texts ...string) string { return "0 a " + strings.Join(texts, "\n0 a ") }

func find(t *testing.T, rows []talk.Row, name string) talk.Row {
	t.Helper()
	for _, r := range rows {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("there is no measure %s", name)
	return talk.Row{}
}

func TestMeasures(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word and another that is no such word ", 1250)
	tests := []struct {
		name, measure, script string
		want                  float64
	}{
		{"each is one", "lines", speakers("abc"), 3},
		{"30 min are no silence, more is one", "sessions", at(0, 1800, 3601), 2},

		{"a clock", "burstiness", at(0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100), -1},
		// The gaps are 1 nine times and 91: their mean is 10 and their deviation 27.
		{"one long gap", "burstiness", at(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100), 17. / 37},
		{"a silence is no gap", "burstiness", at(0, 10, 20, 30, 40, 50, 5060, 5070, 5080, 5090, 5100, 5110), -1},
		{"short and long by turns", "log_gap_correlation", at(0, 1, 11, 12, 22, 23, 33, 34, 44, 45, 55, 56, 66), -1},
		{"less than a second is one", "log_gap_correlation", at(0, 0, 10, 10, 20, 20, 30, 30, 40, 40, 50, 50, 60), -1},
		{"the middle one", "gap_median", at(0, 1, 3, 103), 2},
		{"nine of ten", "gap_p90", at(0, 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66), 10},

		{"two of nine", "same_speaker", speakers("aabcdeffab"), 2. / 9},
		{"of short sessions none", "same_speaker", speakers("aaaa abababababa"), 0},
		{"ten lines, eight runs", "mean_run", speakers("aabcdeffab"), 10. / 8},
		{"one of four", "long_runs", speakers("aaabbccddd"), 2. / 4},
		{"twice as soon", "own_gap_ratio", "0 a\n10 a\n30 b\n40 b\n60 a\n70 a\n90 b\n100 b\n120 a\n130 a", 0.5},
		{"always back", "back_and_forth", speakers("ababababac"), 7. / 8},
		{"four of nine", "back_and_forth", speakers("aabacbcabacaa"), 4. / 9},
		{"of ten", "top_share", speakers("aaaabbbccc"), 0.4},
		{"another one", "other_top", speakers("aaaaabbbcc bccccccccc ccccccaaaa"), 0.5},

		{"one, two and five back", "answer_distance", speakers("abcd") + "300 e >3\n301 f >4\n302 g >2", 2},
		{"none to the line before", "answer_within_1", speakers("abcd") + "300 e >3\n301 f >4\n302 g >2", 0},
		{"two of three", "answer_within_3", speakers("abcd") + "300 e >3\n301 f >4\n302 g >2", 2. / 3},
		{"all", "answer_within_5", speakers("abcd") + "300 e >3\n301 f >4\n302 g >2", 1},
		{"what is answered is not there", "answer_within_5", "0 a\n1 b >7\n2 c >1", 1},
		{"three of four", "no_answer", "0 a\n1 b >1\n2 c >1\n3 d", 3. / 4},
		{"one of four", "one_answer", "0 a\n1 b >1\n2 c\n3 d", 1. / 4},
		{"one in four", "two_answers", "0 a\n1 b >1\n2 c >1\n3 d", 1. / 4},
		{"a further line is none", "openings", "0 a\n1 a\n2 b >1\n3 c\n9000 c", 3. / 5},
		{"one of two", "unanswered", "0 ANN What?\n1 BOB Why?\n2 c >1\n3 d No?", 0.5},
		{"not by oneself", "unanswered", "0 ANN What?\n1 ANN >1 This.", 1},
		{"the first answer", "answer_time", "0 ANN What?\n5 c >1\n9 d >1", 5},

		{"one, two and six", "words_median", said("Yes.", "Oh no.", "That is what I think, too."), 2},
		{"of ten", "words_p90", said("a", "a", "a", "a", "a", "a", "a", "a", "a", "a b", "a b c"), 2},
		{"one and three", "length_cv", said("a", "a b c"), 0.5},
		{"one of two lines", "one_to_three", said("a b c", "a b c d"), 0.5},
		{"two of three", "short_lines", said("a b c", "a b c d e", "a b c d e f"), 2. / 3},
		{"where there are bots, people's don't count", "short_lines", "0 a a b c d e f\n1 ANN Hm.", 0},
		{"a text that is unknown does not count", "short_lines", "0 a\n0 a b", 1},
		{"two in four", "full_stop", said("Yes.", "no", "What?", "well 🙂"), 0.5},
		{"three have case", "lower_case", said("yes", "No", "@Ann_Bot yes", "是的", "42"), 2. / 3},
		{"one in two", "question", said("What?", "That!"), 0.5},
		{"exclaims", "exclamation", said("What?", "That!"), 0.5},
		{"six among 10,000", "distinct_1", said(long), 7. / 10_000},
		{"pairs", "distinct_2", said(long), 8. / 9_999},

		{"one of three", "trigram_reuse", "0 a one two three four\n1 b two three four five", 1. / 3},
		{"whoever says it", "repeats", "0 a That is what counts. Yes.\n1 b Yes! that is what counts?", 0.5},
		{"not after half a day", "repeats", "0 a That is what counts.\n43201 b That is what counts.", 0},
		{"a voice each", "voice_separation", strings.Repeat("0 a ahoy matey!\n1 b indeed, quite so\n2 c HOORAY\n", 10), 3},
		{"by marks alone", "voice_separation", strings.Repeat("0 a the tide is late\n1 b The tide is late.\n0 a we sail at noon\n1 b We sail at noon.\n", 5), 2},
		{"one voice", "voice_separation", strings.Repeat("0 a ahoy\n1 b ahoy\n", 10), 1},
	}
	for _, test := range tests {
		t.Run(test.measure+", "+test.name, func(t *testing.T) {
			t.Parallel()
			r := find(t, talk.Review(script(t, test.script)), test.measure)
			if !r.Known || math.Abs(r.Figure-test.want) > 1e-9 {
				t.Errorf("got %v (known: %v), want %v", r.Figure, r.Known, test.want)
			}
		})
	}
}

func TestAnswersShareMoreWithTheirTargets(t *testing.T) {
	t.Parallel()
	var related, unrelated strings.Builder
	for i := range 40 {
		fmt.Fprintf(&related, "%d a The word%c of all\n%d b >%d My word%c too\n", 2*i, 'A'+i, 2*i+1, 2*i+1, 'A'+i)
		fmt.Fprintf(&unrelated, "%d a a harbour\n%d b >%d the harbour\n", 2*i, 2*i+1, 2*i+1)
	}
	if r := find(t, talk.Review(script(t, related.String())), "answer_overlap"); r.Verdict != talk.Inside {
		t.Errorf("of related lines: %+v", r)
	}
	if r := find(t, talk.Review(script(t, unrelated.String())), "answer_overlap"); r.Verdict != talk.Below {
		t.Errorf("of lines that are all alike: %+v", r)
	}
}

// Lines of very different voices, shuffled among the speakers, are not told apart more often than
// by chance, whatever their lengths.
func TestVoicesAreNotInvented(t *testing.T) {
	t.Parallel()
	const talks, lines, speakers = 20, 120, 4
	told, mixed := 0.0, 0.0
	r := rand.New(rand.NewPCG(1, 3))
	for range talks {
		var said []talk.Line
		for range lines {
			who := r.IntN(speakers)
			said = append(said, talk.Line{Who: strconv.Itoa(who), Bot: true, Text: inVoice(r, who)})
		}
		told += find(t, talk.Review(said), "voice_separation").Figure / talks
		for i := range said {
			j := r.IntN(i + 1)
			said[i].Who, said[j].Who = said[j].Who, said[i].Who
		}
		mixed += find(t, talk.Review(said), "voice_separation").Figure / talks
	}
	if told < 3 {
		t.Errorf("%.2f where voices differ", told)
	}
	if mixed < 0.9 || mixed > 1.1 {
		t.Errorf("%.2f where they don't, want 1", mixed)
	}
}

// inVoice returns a line of random words: the first speakers write in lower case or without full
// stops, and later ones write more.
func inVoice(r *rand.Rand, speaker int) string {
	var words []string
	for range 1 + r.IntN(4+6*speaker) {
		words = append(words, strconv.FormatInt(r.Int64N(40*36)+36*36, 36))
	}
	text := "w" + strings.Join(words, " ")
	if speaker%2 == 1 {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if speaker < 2 && r.IntN(5) > 0 {
		text += "."
	}
	return text
}

func TestNeitherReactionsNorOrderMatter(t *testing.T) {
	t.Parallel()
	lines := random(rand.New(rand.NewPCG(1, 2)), 200)
	for i := range lines { // no two at the same time
		lines[i].At = lines[i].At.Add(time.Duration(i))
	}
	want := talk.Review(lines)
	if diff := cmp.Diff(want, talk.Review(lines)); diff != "" {
		t.Errorf("the second time: %s", diff)
	}
	other := append([]talk.Line{{ID: 999, Who: "z", Answers: 1, Reaction: true, At: lines[0].At}}, lines...)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
	if diff := cmp.Diff(want, talk.Review(other)); diff != "" {
		t.Errorf("with a reaction, in another order: %s", diff)
	}
}

func TestWhatIsTooShortIsUnknown(t *testing.T) {
	t.Parallel()
	for _, r := range talk.Review(nil) {
		if r.Known != (r.Name == "lines" || r.Name == "sessions") || r.Figure != 0 || r.Verdict != talk.None {
			t.Errorf("of nothing: %+v", r)
		}
	}
	for _, lines := range [][]talk.Line{script(t, "0 a Hello"), script(t, strings.Repeat("0 a\n", 30))} {
		finite(t, lines)
	}
}

func TestFiguresAreFinite(t *testing.T) {
	t.Parallel()
	check := func(seed uint64, n uint8) bool {
		r := rand.New(rand.NewPCG(seed, 0))
		return finite(t, random(r, int(n)))
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

// finite checks that all figures are numbers, and no share is more than 1.
func finite(t *testing.T, lines []talk.Line) bool {
	t.Helper()
	good := true
	for _, r := range talk.Review(lines) {
		if math.IsNaN(r.Figure) || math.IsInf(r.Figure, 0) || !r.Known && (r.Figure != 0 || r.Verdict != talk.None) || (r.Want == talk.Band{} || !r.Known) != (r.Verdict == talk.None) {
			t.Errorf("%+v", r)
			good = false
		}
	}
	return good
}

func random(r *rand.Rand, n int) []talk.Line {
	texts := []string{"", " ", "?", "Yes.", "the harbour was open", "@a", "\xff\xfe", "是的！", "what did you see in the harbour, and why?", "🙂"}
	lines := make([]talk.Line, n)
	at := time.Time{}
	for i := range lines {
		at = at.Add(time.Duration(r.ExpFloat64() * float64([]time.Duration{0, time.Second, time.Hour}[r.IntN(3)])))
		lines[i] = talk.Line{
			ID: int64(i), Who: string(rune('a' + r.IntN(1+r.IntN(6)))), Bot: r.IntN(4) > 0, Text: texts[r.IntN(len(texts))],
			At: at, Answers: r.Int64N(int64(n)), Reaction: r.IntN(8) == 0,
		}
	}
	return lines
}

func TestBands(t *testing.T) {
	t.Parallel()
	tests := []struct {
		band   talk.Band
		figure float64
		want   talk.Verdict
	}{
		{talk.Band{}, 7, talk.None},
		{talk.Band{Low: 0.2, High: 0.4}, 0.2, talk.Inside},
		{talk.Band{Low: 0.2, High: 0.4}, 0.4, talk.Inside},
		{talk.Band{Low: 0.2, High: 0.4}, -0.1, talk.Below},
		{talk.Band{Low: 0.2, High: 0.4}, 0.41, talk.Above},
		{talk.Band{Low: 3}, 100, talk.Inside},
		{talk.Band{High: 3}, 0, talk.Inside},
	}
	for _, test := range tests {
		if got := test.band.Judge(test.figure); got != test.want {
			t.Errorf("%v in %v: %q, want %q", test.figure, test.band, got, test.want)
		}
	}
}
