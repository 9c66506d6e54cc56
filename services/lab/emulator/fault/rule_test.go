package fault_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

func TestParse(t *testing.T) {
	t.Parallel()

	second := jsontime.Duration(time.Second)

	tests := []struct {
		short string
		want  fault.Rule
	}{
		{"setMessageReaction:400:REACTION_INVALID", fault.Rule{Method: "setMessageReaction", Kind: fault.Status, Status: 400, Description: "REACTION_INVALID"}},
		{"sendMessage:400:Bad Request: a b", fault.Rule{Method: "sendMessage", Kind: fault.Status, Status: 400, Description: "Bad Request: a b"}},
		{"sendMessage:429", fault.Rule{Method: "sendMessage", Kind: fault.Status, Status: 429, RetryAfter: 1}},
		{"sendMessage:429:retry_after=30:count=3", fault.Rule{Method: "sendMessage", Kind: fault.Status, Status: 429, RetryAfter: 30, Count: 3}},
		{"*:502:body=html:bot=ada_bot", fault.Rule{Kind: fault.Status, Status: 502, Body: fault.HTML, Bot: "ada_bot"}},
		{"setMessageReaction:hang=30s:rate=0.5:seed=7", fault.Rule{Method: "setMessageReaction", Kind: fault.Hang, Duration: 30 * second, Rate: 0.5, Seed: 7}},
		{"*:hang", fault.Rule{Kind: fault.Hang}},
		{"*:latency=1.5s:chat=-100", fault.Rule{Kind: fault.Latency, Duration: 3 * second / 2, Chat: -100}},
		{"*:reset_after:id=x", fault.Rule{ID: "x", Kind: fault.ResetAfter}},
		{"*:kicked:until=2026-03-01T12:30:00Z", fault.Rule{Kind: fault.Kicked, Until: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)}},
	}
	for _, tt := range tests {
		t.Run(tt.short, func(t *testing.T) {
			t.Parallel()

			got, err := fault.Parse(tt.short)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAWrongRuleSaysWhatIsAllowed(t *testing.T) {
	t.Parallel()

	tests := []struct{ short, want string }{
		{"", "must be METHOD:FAULT"},
		{"sendMessage", "must be METHOD:FAULT"},
		{":400", "must be METHOD:FAULT"},
		{"*:400:\xe1", "must be UTF-8"},
		{"*:explode", `"explode" is not a fault: must be an HTTP status, latency=DURATION`},
		{"*:status", `"status" is not a fault`},
		{"*:200", "status: 200 is not allowed, must be between 400 and 599"},
		{"*:latency", "duration: 0s is not allowed, must be positive"},
		{"*:latency=-1s", "duration: -1s is not allowed, must be positive"},
		{"*:latency=soon", `"soon" is not a duration like 1.5s or 2m`},
		{"*:kicked=1s", "duration: 1s is not allowed, must be left out for kind kicked"},
		{"*:kicked:body=html", `body: "html" is not allowed, must be left out for kind kicked`},
		{"*:kicked:nonsense", `"nonsense" is not an option: must be one of id, bot,`},
		{"*:500:rate=2", "rate: 2 is not allowed, must be above 0 and up to 1"},
		{"*:500:rate=0", "rate: 0 is not allowed, must be above 0 and up to 1"},
		{"*:500:rate=NaN", "rate: NaN is not allowed"},
		{"*:500:rate=often", `rate: strconv.ParseFloat: parsing "often"`},
		{"*:500:retry_after=3", "retry_after: 3 is not allowed, must be a positive number of seconds, with status 429"},
		{"*:500:body=xml", `body: "xml" is not allowed, must be one of json, html, empty`},
		{"*:500:count=-1", "count: -1 is not allowed, must be 0 (no end) or more"},
		{"*:500:until=tomorrow", "until: parsing time"},
		{"*:500:" + strings.Repeat("x", 513), "one line of at most 512 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.short, func(t *testing.T) {
			t.Parallel()

			if got, err := fault.Parse(tt.short); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v, want an error with %s", got, err, tt.want)
			}
		})
	}
}

func TestAnswerHasTheStatusBeforeIt(t *testing.T) {
	t.Parallel()

	tests := []struct {
		rule fault.Rule
		want string
	}{
		{fault.Rule{Status: 400, Description: "REACTION_INVALID"}, "Bad Request: REACTION_INVALID"},
		{fault.Rule{Status: 400, Description: "Bad Request: REACTION_INVALID"}, "Bad Request: REACTION_INVALID"},
		{fault.Rule{Status: 429, RetryAfter: 5}, "Too Many Requests: retry after 5"},
		{fault.Rule{Status: 500}, "Internal Server Error"},
		{fault.Rule{Status: 499, Description: "odd"}, "odd"},
	}
	for _, tt := range tests {
		if got := tt.rule.Answer(); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.rule, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"setMessageReaction:400:REACTION_INVALID", "setMessageReaction:hang=30s:rate=0.5", "sendMessage:429:retry_after=30:count=3",
		"*:502:body=html:bot=ada_bot", "*:latency=1ms:until=2026-03-01T12:30:00+01:00", "*:kicked:chat=-1", "a:500:b=c:rate=1e-3", "::", "*:500:\xe1", "*:400::=:",
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, short string) {
		rule, err := fault.Parse(short)
		if err != nil {
			return
		}

		if err := rule.Validate(); err != nil {
			t.Fatalf("%q became the invalid rule %+v: %v", short, rule, err)
		}

		text, err := json.Marshal(rule)
		if err != nil {
			t.Fatalf("%q: %v", short, err)
		}

		var again fault.Rule
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatalf("%q: %s: %v", short, text, err)
		}

		if second, err := json.Marshal(again); err != nil || string(second) != string(text) {
			t.Fatalf("%q: %s was read as %s, %v", short, text, second, err)
		}
	})
}
