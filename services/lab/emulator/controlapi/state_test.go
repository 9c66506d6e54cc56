package controlapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func (b bench) record(t *testing.T, records ...calllog.Record) {
	t.Helper()

	for _, r := range records {
		if err := b.calls.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

func (b bench) seqs(t *testing.T, f control.Filter) []uint64 {
	t.Helper()

	var all []uint64

	for call, err := range b.Calls(t.Context(), f) {
		if err != nil {
			t.Fatal(err)
		}

		all = append(all, call.Seq)
	}

	return all
}

func TestCallsAreStreamedAsTheyWereLogged(t *testing.T) {
	t.Parallel()

	b := start(t)
	want := calllog.Record{
		Seq: 1, ID: "x", Time: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), Bot: "ada_bot", BotID: 7, Method: "sendMessage", Chat: -100,
		Params: map[string]json.RawMessage{"text": json.RawMessage(`"a\nb"`)}, Status: 429, Description: "Too Many Requests: retry after 3", RetryAfter: 3,
		EffectMessageID: 12, Effect: "sent", Fault: "fault-1", Cut: true, Recovered: true, Duration: 1.5,
	}

	b.record(t, want, calllog.Record{Bot: "bob_bot", Method: "getMe"}, calllog.Record{Bot: "ada_bot", Method: "getMe", Chat: -7})

	for call, err := range b.Calls(t.Context(), control.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(want, call); diff != "" {
			t.Error(diff)
		}

		break // leaving the loop ends the stream
	}

	tests := []struct {
		filter control.Filter
		want   []uint64
	}{
		{control.Filter{}, []uint64{1, 2, 3}},
		{control.Filter{Since: 2}, []uint64{3}},
		{control.Filter{Bot: "ada_bot"}, []uint64{1, 3}},
		{control.Filter{Method: "getme"}, []uint64{2, 3}},
		{control.Filter{Chat: -7}, []uint64{3}},
		{control.Filter{Chat: -8}, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, b.seqs(t, tt.filter)); diff != "" {
			t.Errorf("%+v: %s", tt.filter, diff)
		}
	}
}

func TestCallsAreFollowed(t *testing.T) {
	t.Parallel()

	b := start(t)
	b.record(t, calllog.Record{}, calllog.Record{})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	var got []uint64

	for call, err := range b.Calls(ctx, control.Filter{Follow: true, Since: 1}) {
		if err != nil {
			t.Fatal(err) // the end of the context is none
		}

		if got = append(got, call.Seq); call.Seq < 4 {
			b.record(t, calllog.Record{})
		} else {
			cancel()
		}
	}

	if diff := cmp.Diff([]uint64{2, 3, 4}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFollowerHearsOfAReset(t *testing.T) {
	t.Parallel()

	b := start(t)
	b.record(t, calllog.Record{})

	var end error

	for call, err := range b.Calls(t.Context(), control.Filter{Follow: true}) {
		if end = err; err != nil {
			continue
		}

		if err := b.Reset(t.Context(), control.PartCalls); err != nil {
			t.Fatalf("after %d: %v", call.Seq, err)
		}
	}

	if end == nil || !strings.Contains(end.Error(), calllog.ErrReset.Error()) {
		t.Errorf("the stream ended with %v", end)
	}

	b.record(t, calllog.Record{})

	if diff := cmp.Diff([]uint64{1}, b.seqs(t, control.Filter{})); diff != "" {
		t.Errorf("after the reset: %s", diff)
	}
}

func TestAFollowerHearsOfTheEnd(t *testing.T) {
	t.Parallel()

	b := start(t)
	b.record(t, calllog.Record{})

	var end error

	for _, err := range b.Calls(t.Context(), control.Filter{Follow: true}) {
		if end = err; err == nil {
			b.stop()
		}
	}

	if !errors.Is(end, control.ErrEnded) {
		t.Errorf("the stream ended with %v", end)
	}
}

func TestFaultsAreSetAddedAndRemoved(t *testing.T) {
	t.Parallel()

	b, ctx := start(t), t.Context()

	reject := control.Fault{ID: "reject", Method: "setMessageReaction", Kind: fault.Status, Status: 400, Description: "REACTION_INVALID"}
	hang := control.Fault{ID: "hang", Kind: fault.Hang, Duration: jsontime.Duration(30 * time.Second), Rate: 0.5, Seed: 9}

	set, err := b.SetFaults(ctx, reject)
	if err != nil {
		t.Fatal(err)
	}

	all, err := b.AddFaults(ctx, hang)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([][]control.Fault{{reject}, {reject, hang}}, [][]control.Fault{set, all}); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff(all, b.faults.Rules()); diff != "" {
		t.Error(diff)
	}

	if err := b.RemoveFault(ctx, "reject"); err != nil {
		t.Fatal(err)
	}

	var refused *control.Error
	if err := b.RemoveFault(ctx, "reject"); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("removed twice: %v", err)
	}

	if rules, err := b.Faults(ctx); err != nil || !cmp.Equal([]control.Fault{hang}, rules) {
		t.Errorf("got %v, %v", rules, err)
	}

	short := newRequest(t, "PUT", b.url+control.Prefix+"/faults", `["setMessageReaction:hang=30s", {"kind":"kicked","chat":-5}]`)
	if status, why := send(t, short); status != http.StatusOK {
		t.Fatal(status, why)
	}

	want := []control.Fault{{ID: "fault-1", Method: "setMessageReaction", Kind: fault.Hang, Duration: hang.Duration}, {ID: "fault-2", Kind: fault.Kicked, Chat: -5}}
	if diff := cmp.Diff(want, b.faults.Rules()); diff != "" {
		t.Error(diff)
	}

	if err := b.ClearFaults(ctx); err != nil || len(b.faults.Rules()) > 0 {
		t.Errorf("after the clearing: %v, %v", b.faults.Rules(), err)
	}
}

func TestLimitsAreSetInPart(t *testing.T) {
	t.Parallel()

	b, ctx := start(t), t.Context()

	limits, err := b.Limits(ctx)
	if err != nil || !cmp.Equal(flood.Default(), limits) {
		t.Fatalf("got %+v, %v", limits, err)
	}

	if status, why := send(t, newRequest(t, "PUT", b.url+control.Prefix+"/limits", `{"chat":{"burst":9},"silent_wait":"8s"}`)); status != http.StatusOK {
		t.Fatal(status, why)
	}

	limits.Chat.Burst, limits.SilentWait = 9, jsontime.Duration(8*time.Second)
	if diff := cmp.Diff(limits, b.flood.Limits()); diff != "" {
		t.Error(diff)
	}

	if got, err := b.SetLimits(ctx, control.Limits{Unlimited: true}); err != nil || !cmp.Equal(control.Limits{Unlimited: true}, got) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestATokenIsToldOnce(t *testing.T) {
	t.Parallel()

	const own = "12345:my-own-secret"

	b, ctx := start(t), t.Context()

	made, err := b.AddBot(ctx, control.NewBot{Username: "ada_bot", Token: secret.New(own)})
	if err != nil || made.Token.Reveal() != own || made.ID != 12345 {
		t.Fatalf("got %+v, %v", made, err)
	}

	again, err := b.AddBot(ctx, control.NewBot{Username: "@Ada_Bot", Token: secret.New(own), Name: "Ada"})
	if err != nil || !again.Token.Empty() || again.Name != "Ada" || again.ID != made.ID {
		t.Errorf("got %+v, %v", again, err)
	}

	if _, err := b.PutChat(ctx, control.NewChat{Chat: world.Chat{Title: "x"}, Members: []string{"ada_bot"}}); err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{"/bots", "/chats", "/calls", "/limits", "/faults"} {
		if text := read(t, b.url+control.Prefix+path); strings.Contains(text, "my-own") {
			t.Errorf("%s shows the token: %s", path, text)
		}
	}

	bots, err := b.Bots(ctx)
	if diff := cmp.Diff([]control.Bot{again.Bot}, bots); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestResetGoesBackToTheBeginning(t *testing.T) {
	t.Parallel()

	parts := []control.Part{control.PartWorld, control.PartCalls, control.PartFaults, control.PartLimits}

	tests := []struct{ reset, gone []control.Part }{
		{nil, parts},
		{[]control.Part{control.PartWorld}, []control.Part{control.PartWorld}},
		{[]control.Part{control.PartLimits, control.PartCalls}, []control.Part{control.PartCalls, control.PartLimits}},
		{[]control.Part{control.PartFaults}, []control.Part{control.PartFaults}},
	}
	for _, tt := range tests {
		b, ctx := start(t), t.Context()

		_, errBot := b.AddBot(ctx, control.NewBot{Username: "ada_bot"})
		_, errFault := b.AddFaults(ctx, control.Fault{Kind: fault.Kicked})
		_, errLimit := b.SetLimits(ctx, control.Limits{})
		b.record(t, calllog.Record{})

		if err := errors.Join(errBot, errFault, errLimit, b.Reset(ctx, tt.reset...)); err != nil {
			t.Fatal(err)
		}

		is := map[control.Part]bool{
			control.PartWorld:  len(b.world.Bots()) == 0,
			control.PartCalls:  b.calls.Last() == 0,
			control.PartFaults: len(b.faults.Rules()) == 0,
			control.PartLimits: b.flood.Limits() == flood.Default(),
		}

		for _, part := range parts {
			if is[part] != slices.Contains(tt.gone, part) {
				t.Errorf("reset of %v: %s is as in the beginning: %v", tt.reset, part, is[part])
			}
		}
	}
}

func TestAResetWithoutABodyIsOfEverything(t *testing.T) {
	t.Parallel()

	b := start(t)
	b.record(t, calllog.Record{})

	if status, why := send(t, newRequest(t, "POST", b.url+control.Prefix+"/reset", "")); status != http.StatusNoContent || b.calls.Last() != 0 {
		t.Errorf("got %d %s with %d calls left", status, why, b.calls.Last())
	}
}
