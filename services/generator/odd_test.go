package generator_test

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// oddAnswersOfModels tests turns whose model answers with unusual bodies, one after the other; the
// last one repeats.
func oddAnswersOfModels(s *stage) {
	const tail = `}],"usage":{"prompt_tokens":9,"completion_tokens":300}}`
	says := func(reason, content string) string {
		return `{"choices":[{"finish_reason":"` + reason + `","message":{"content":` + content + `}` + tail
	}
	good := says("stop", `"`+line+`"`)
	for name, test := range map[string]struct {
		bodies []string
		want   string // the text, or
		why    string // the reason that there is none
		calls  int
	}{
		"thoughts are cut":                         {[]string{says("stop", `"<think>Hm.</think>\n`+line+`"`)}, line, "", 1},
		"parts are joined":                         {[]string{says("stop", `[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"`+line+`"}]`)}, line, "", 1},
		"a text that was cut ends with a sentence": {[]string{says("length", `"`+line+` And then I gave it to my"`)}, line, "", 1},
		"or is written anew":                       {[]string{says("length", `"And then I gave it to my"`), good}, line, "", 2},
		"data are no text":                         {[]string{says("stop", `"{\"text\":\"Hello\"}"`), good}, line, "", 2},
		"marks that are left are no text":          {[]string{says("stop", `"Well, <|im_start|>assistant"`), good}, line, "", 2},
		"thoughts alone end the turn at once":      {[]string{says("length", `null`)}, "", "generator.max_tokens", 1},
	} {
		var mu sync.Mutex
		calls := 0
		s.provide(serve(s.t, "odd", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			body := test.bodies[min(calls, len(test.bodies)-1)]
			calls++
			_, _ = io.WriteString(w, body)
		})))
		turn := s.turn()
		if test.want != "" {
			if got := s.delivery(turn).GetText(); got != test.want {
				s.t.Errorf("%s: says %q, want %q", name, got, test.want)
			}
		} else {
			s.becomes(turn, "rejected")
			if got := s.text(outcomeOf, s.chat, turn.GetId().GetNumber()); !strings.Contains(got, test.why) {
				s.t.Errorf("%s: it ended with %q, want %q in it", name, got, test.why)
			}
			testenv.Eventually(s.t, "what it cost is on the account", func() (string, bool) {
				got := s.text(`SELECT coalesce(sum(completion_tokens), 0)::text FROM llm_calls WHERE chat_id = $1 AND turn_no = $2`, s.chat, turn.GetId().GetNumber())
				return got, got == "300"
			})
		}
		mu.Lock()
		if calls != test.calls {
			s.t.Errorf("%s: %d calls, want %d", name, calls, test.calls)
		}
		mu.Unlock()
	}
}
