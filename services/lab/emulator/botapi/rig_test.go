package botapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/botapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an API on a small world: the bots Ada and Bob, who see everything,
// and Tom, in the supergroup Books and the basic group Dice.
type rig struct {
	t      testing.TB
	api    *botapi.API
	world  *world.World
	calls  *calllog.Log
	faults *fault.Set
	flood  *flood.Control

	ada, bob     string // tokens
	adaID, bobID int64
	books, dice  int64
}

func newRig(t testing.TB) *rig {
	t.Helper()

	r := &rig{t: t, faults: fault.NewSet(time.Now), flood: flood.New(flood.Limits{Unlimited: true}, time.Now)}

	var err error
	if r.calls, err = calllog.Open("", 1000); err != nil {
		t.Fatal(err)
	}

	r.world, err = world.Open(world.Config{Seed: 1, MaxMessages: 1000, MaxUpdates: 1000, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	r.ada, r.adaID = r.bot("ada_bot", "Ada")
	r.bob, r.bobID = r.bot("bob_bot", "Bob")
	r.books = r.chat(world.NewChat{Chat: world.Chat{Kind: world.Supergroup, Title: "Books"}})
	r.dice = r.chat(world.NewChat{Chat: world.Chat{Kind: world.Group, Title: "Dice"}})

	r.api = botapi.New(botapi.Options{
		World: r.world, Calls: r.calls, Faults: r.faults, Flood: r.flood,
		Log: zap.NewNop(), Now: time.Now, WebhookRetry: time.Millisecond,
	})

	r.quiet()

	return r
}

// quiet forgets what the bots were told of joining: few tests are about that.
func (r *rig) quiet() {
	r.t.Helper()

	for _, id := range []int64{r.adaID, r.bobID} {
		if err := r.world.Confirm(id, 1<<40); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) bot(username, name string) (string, int64) {
	r.t.Helper()

	bot, token, err := r.world.RegisterBot(world.NewBot{Username: username, Name: name})
	if err != nil {
		r.t.Fatal(err)
	}

	return token, bot.ID
}

func (r *rig) chat(n world.NewChat) int64 {
	r.t.Helper()

	n.Members = append(n.Members, "ada_bot", "bob_bot", "Tom")

	made, err := r.world.PutChat(n)
	if err != nil {
		r.t.Fatal(err)
	}

	return made.ID
}

// say lets Tom write.
func (r *rig) say(chat int64, text string) world.Post {
	r.t.Helper()

	post, err := r.world.Say(chat, "Tom", text, 0)
	if err != nil {
		r.t.Fatal(err)
	}

	return post
}

// args makes parameters of names and values in turn.
func args(pairs ...any) url.Values {
	values := url.Values{}

	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)

		switch value := pairs[i+1].(type) {
		case string:
			values.Set(name, value)
		case int64:
			values.Set(name, strconv.FormatInt(value, 10))
		case int:
			values.Set(name, strconv.Itoa(value))
		}
	}

	return values
}

func form(token, method string, params url.Values) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/bot"+token+"/"+method, strings.NewReader(params.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	return req
}

func (r *rig) do(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.api.ServeHTTP(w, req)

	return w
}

// call returns the answer's body.
func (r *rig) call(token, method string, pairs ...any) string {
	return r.do(form(token, method, args(pairs...))).Body.String()
}

// result reads the result of a call that must succeed.
func (r *rig) result(into any, token, method string, pairs ...any) {
	r.t.Helper()

	body := r.call(token, method, pairs...)

	var reply struct {
		OK     bool            `json:"ok"`
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal([]byte(body), &reply); err != nil || !reply.OK {
		r.t.Fatalf("%s: %s", method, body)
	}

	if err := json.Unmarshal(reply.Result, into); err != nil {
		r.t.Fatalf("%s: %v", method, err)
	}
}

// records returns the log.
func (r *rig) records() []calllog.Record {
	r.t.Helper()

	records, err := r.calls.Records(r.t.Context(), calllog.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}

	return records
}

// last is the newest record of the log.
func (r *rig) last() calllog.Record {
	r.t.Helper()

	records := r.records()

	return records[len(records)-1]
}

type sentMessage struct {
	MessageID int64  `json:"message_id"`
	Text      string `json:"text"`
	Reply     *struct {
		MessageID int64  `json:"message_id"`
		Text      string `json:"text"`
	} `json:"reply_to_message"`
}
