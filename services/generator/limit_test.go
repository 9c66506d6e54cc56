package generator_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// oneDownAndOneAtItsLimit plans more turns than the second provider may write: some are written,
// the others expire in time, and none becomes a dead letter.
func oneDownAndOneAtItsLimit(s *stage) {
	t := s.t
	s.model(llmapi.Options{Faults: []llmapi.Fault{{Kind: llmapi.ServerError}}})
	second, err := llmapi.New(llmapi.Options{Text: line})
	if err != nil {
		t.Fatal(err)
	}
	s.links = append(s.links, serve(t, "second", second))
	s.links[1].Limits.RequestsPerMinute = 12 // two at once, then one every five seconds
	s.provide(s.links...)
	const turns = 10
	var chats []int64
	for i := range turns {
		there, chat := s.elsewhere(fmt.Sprintf("limited%d", i), 0)
		chats = append(chats, chat)
		s.turn(within(3*time.Second), there)
	}
	testenv.Eventually(t, "every turn has ended or has a text", func() (string, bool) {
		got := s.text(`SELECT concat_ws(' ', count(*) FILTER (WHERE d.chat_id IS NOT NULL), count(*) FILTER (WHERE t.outcome = 'expired'), count(*) FILTER (WHERE t.outcome = 'dead'))
FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no) WHERE chat_id = ANY($1)`, chats)
		var written, expired, dead int
		if _, err := fmt.Sscan(got, &written, &expired, &dead); err != nil {
			t.Fatal(err)
		}
		return got, written >= 2 && written <= 4 && written+expired == turns && dead == 0
	})
	why := s.text(`SELECT string_agg(reason, '|') FROM turns WHERE chat_id = ANY($1)`, chats)
	if !strings.Contains(why, "first: its breaker is open; second: its limit per minute is reached") {
		t.Errorf("they ended with %s", why)
	}
	if n := len(s.llm.Calls()); n < 5 || n > 5+turns {
		t.Errorf("the one that is down was asked %d times", n)
	}
}
