package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// speedUp makes the inline senders faster than real time, to keep the test short.
const speedUp = 10

// inline is a sender that plans, writes and sends in one loop, and retries each failed call
// in it. It is better than typical senders of this kind, because each chat has its own
// loop.
type inline struct {
	api  string
	http http.Client

	mu      sync.Mutex
	planned []time.Time
}

const (
	inlineGap     = 2 * time.Second
	inlineTimeout = 20 * time.Second
	inlineTries   = 5
	inlineBackoff = time.Second
	inlineReacts  = 0.33
)

// This test validates TestReactionsHoldNothingUp: the same measurement must detect a sender
// that reactions delay.
func TestAnInlineSenderIsHeldUp(t *testing.T) {
	t.Parallel()
	const chats = 40
	c := launch(t, nil, "emulator", "--emulator.listen", "127.0.0.1:0", "--emulator.unlimited")
	eventually(t, "the emulator says where it is", func() bool { return c.url() != "" })
	emulator := c.emulator()

	s := &inline{api: c.url(), http: http.Client{Timeout: inlineTimeout / speedUp}}
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	stop := func() {
		cancel()
		loops.Wait()
		s.http.CloseIdleConnections()
	}
	defer stop()
	for i := range chats {
		chat, token := stage(t, emulator, i)
		loops.Go(func() { s.loop(ctx, chat, token, rand.New(rand.NewPCG(1, uint64(i)))) })
	}
	eventually(t, "there is enough to react to", func() bool {
		return len(sent(callsOf(t, emulator, control.Filter{}))) > 2*chats
	})

	windows := watch(t, emulator, 2*time.Second)
	stop()
	for what, events := range map[string][]time.Time{
		"planned turns": s.planned, "delivered messages": spoken(t, callsOf(t, emulator, control.Filter{})),
	} {
		found := changed(windows, events)
		for _, fault := range []string{rejected().ID, hanging().ID} {
			if found[fault] == "" {
				t.Errorf("reactions that are %s are said not to change the rate of %s", fault, what)
			}
		}
		t.Logf("%s: %v", what, found)
	}
}

// stage creates a chat with a bot.
func stage(t *testing.T, emulator *control.Client, i int) (chat int64, token secret.String) {
	t.Helper()
	name := nameOf("inline", i) + "_bot"
	bot, err := emulator.AddBot(t.Context(), control.NewBot{Username: name})
	if err != nil {
		t.Fatal(err)
	}
	var n control.NewChat
	n.Title, n.Members = nameOf("chat", i), []string{name}
	made, err := emulator.PutChat(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return made.ID, bot.Token
}

// loop sends messages and reactions in a chat until the context ends.
func (s *inline) loop(ctx context.Context, chat int64, token secret.String, random *rand.Rand) {
	var last int64
	for ctx.Err() == nil {
		rest(ctx, time.Duration(random.ExpFloat64()*float64(inlineGap)))
		s.mu.Lock()
		s.planned = append(s.planned, time.Now())
		s.mu.Unlock()
		if last != 0 && random.Float64() < inlineReacts {
			s.insist(ctx, token, setReaction, map[string]any{
				"chat_id": chat, "message_id": last, "reaction": []map[string]string{{"type": "emoji", "emoji": "👍"}},
			})
			continue
		}
		if id := s.insist(ctx, token, sendMessage, map[string]any{"chat_id": chat, "text": "Well."}); id != 0 {
			last = id
		}
	}
}

// insist repeats a call until it succeeds or the attempts are used up. It returns the id of
// the message that was sent.
func (s *inline) insist(ctx context.Context, token secret.String, method string, params map[string]any) int64 {
	for try := range inlineTries {
		if id, err := s.call(ctx, token, method, params); err == nil {
			return id
		}
		if try < inlineTries-1 {
			rest(ctx, inlineBackoff<<try)
		}
	}
	return 0
}

func (s *inline) call(ctx context.Context, token secret.String, method string, params map[string]any) (int64, error) {
	body, err := json.Marshal(params)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.api+"/bot"+token.Reveal()+"/"+method, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", method, response.Status)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || method != sendMessage {
		return 0, err
	}
	var message struct {
		ID int64 `json:"message_id"`
	}
	return message.ID, json.Unmarshal(answer.Result, &message)
}

// rest waits for d, divided by speedUp.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d / speedUp)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
