package thoughts_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/llm/thoughts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const said = "I would read it again."

func TestThoughtsAreCut(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"<think>\n\n</think>\n\n" + said, said},
		{"<think></think>" + said, said},
		{"<think>Hm. Novels.</think> " + said, said},
		{"<THINK>Hm.</THINK>" + said, said},
		{"<think time=\"3s\">Hm.</think>" + said, said},
		{"< think >Hm.</ think >" + said, said},
		{"<think/>" + said, said},
		{"Hm. They ask for novels.\n</think>\n\n" + said, said},
		{"<think>One.</think><think>Two.</think>" + said, said},
		{"<think>a<think>b</think>c</think>" + said, said},
		{"<think>I must write </think> first.</think>" + said, said},
		{"<think>Hm.</thinking>" + said, said},
		{"<thinking>Hm.</thinking>" + said, said},
		{"<thought>Hm.</thought>" + said, said},
		{"<reasoning>Hm.</reasoning>" + said, said},
		{"<reflection>Hm.</reflection>" + said, said},
		{"<analysis>Hm.</analysis><answer>" + said + "</answer>", said},
		{"<seed:think>Hm.</seed:think>" + said, said},
		{"<mm:think>Hm.</mm:think>" + said, said},
		{"&lt;think&gt;Hm.&lt;/think&gt;" + said, said},
		{"[THINK]Hm.[/THINK]" + said, said},
		{"[think]Hm.[/think]\n" + said, said},
		{"◁think▷Hm.◁/think▷" + said, said},
		{"<|think|>Hm.<|/think|>" + said, said},
		{"<|begin_of_thought|>Hm.<|end_of_thought|>\n<|begin_of_solution|>" + said + "<|end_of_solution|>", said},
		{"<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>" + said + "<|END_RESPONSE|>", said},
		{"<unused94>thought\nHm.<unused95>" + said, said},
		{"<|channel>thought\nHm.<channel|>" + said, said},
		{"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>" + said + "<|return|>", said},
		{"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>Ha.<|end|><|start|>assistant<|channel|>final <|constrain|>text<|message|>" + said, said},
		{"<|start|>assistant<|channel|>final<|message|>" + said, said},
		{"analysisThe user asks for novels. Be brief.assistantfinal" + said, said},
		{"Here is my thought process:\nHm.\nHere is my response:\n" + said, said},
		{said + " <think>Was that good?</think>", said},
		{said + " <think>Was that good?", said},
		{"I say. <think>Hm.</think> And again.", "I say.  And again."},

		{"<think>Hm.", ""},
		{"<think>", ""},
		{"<think>Hm.</think>", ""},
		{"Hm.</think>", ""},
		{"[THINK]Hm.", ""},
		{"◁think▷Hm.", ""},
		{"<|channel|>analysis<|message|>Hm.", ""},
		{"analysis\nThe user asks.", ""},
	} {
		got, cut := thoughts.Cut(test.text)
		if got != test.want || !cut {
			t.Errorf("%q becomes %q (%v), want %q", test.text, got, cut, test.want)
		}
		if !thoughts.In(test.text) || thoughts.In(got) {
			t.Errorf("%q: the marks are not told", test.text)
		}
	}
}

func TestWhatIsNoThoughtStays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		said, "", "I think <3 is enough.", "5 < 6 and 7 > 6, I think.", "Think [1] of it.", "Analysis is not my thing.", "In the final analysis, assistants win.",
		"analysis of a novel takes time", "Her reasoning: none.", "<b>Bold</b> thinking.", "A & B &lt; C",
	} {
		if got, cut := thoughts.Cut(text); got != text || cut || thoughts.In(text) {
			t.Errorf("%q becomes %q (%v)", text, got, cut)
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, s := range []string{"<think>a</think>b", "a</think>b<think>", "[THINK]", "◁think▷a◁/think▷", "<|channel|>final<|message|>x", "analysisX"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, cut := thoughts.Cut(text)
		if !cut && got != text {
			t.Errorf("%q becomes %q without a mark", text, got)
		}
		if cut != thoughts.In(text) {
			t.Errorf("%q: cut %v, in %v", text, cut, thoughts.In(text))
		}
		if len(got) > len(text) || strings.TrimSpace(text) == "" && got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
