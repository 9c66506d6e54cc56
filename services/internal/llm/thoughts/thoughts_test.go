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
		{"**Thinking:** They ask for novels.\n\n**Answer:** " + said, said},
		{"## Reasoning\nHm.\n## Final answer\n" + said, said},
		{"*thinks: they ask for novels* " + said, said},
		{said + " (thinking: was that good?", said},

		{"Thinking Process:\n1. Analyze the request: one message.", ""},
		{"Okay, so I need to write one chat message for the persona Viktor. Let me think", ""},
		{"Alright, let's tackle this. The user wants a short message about novels.", ""},
		{"We need to produce a chat message as Viktor. Must be short.", ""},
		{"The user wants me to stay in character.", ""},
		{"Hmm, let me think about what Viktor would say to that.", ""},
		{"I should answer as Viktor, in one sentence.", ""},
		{"Okay, der Nutzer möchte eine kurze Nachricht von Viktor.", ""},
		{"<think></think>Okay, I need to write a short message.", ""},
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
		"analysis of a novel takes time", "Thinking about it, no.", "Okay, so I need to return that book.", "The user wants a dark mode, I hear.",
		"I should write a message to my sister.", "Let me answer that: no.", "We need to talk about the reply that Mia got.", "I think: novels.",
		"(I thought so.)", "My answer? Novels.", "Let's see what the storm would do.", "I have a short story for you.", "*nods* The response was cold.", "Her reasoning: none.", "<b>Bold</b> thinking.", "A & B &lt; C",
	} {
		if got, cut := thoughts.Cut(text); got != text || cut || thoughts.In(text) {
			t.Errorf("%q becomes %q (%v)", text, got, cut)
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, s := range []string{"<think>a</think>b", "a</think>b<think>", "[THINK]", "◁think▷a◁/think▷", "<|channel|>final<|message|>x", "analysisX", "I need to write one message", "*thinks: a* b"} {
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
