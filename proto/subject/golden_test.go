package subject

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestWireBytes compares the encoding of one message of each type with stored bytes. It
// detects a field that is renumbered or retyped by accident before a rolling upgrade does.
func TestWireBytes(t *testing.T) {
	at := func(s int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(1_800_000_000+s, 0)) }
	id := &chorusv1.TurnId{ChatId: 42, Number: 7}
	for name, m := range map[string]proto.Message{
		"turn": &chorusv1.Turn{
			Id: id, BotId: 3, Kind: chorusv1.TurnKind_TURN_KIND_REPLY, TargetMessage: 11, Topic: "tea",
			Length: chorusv1.Length_LENGTH_SHORT, Mention: chorusv1.Mention_MENTION_END, Emoji: "🔥",
			PlannedAt: at(1), DueAt: at(0), ExpiresAt: at(120), Seed: 99,
			Reasons:        []*chorusv1.Reason{{Rule: "target.question", Weight: 4, Detail: "asks"}},
			RefreshPersona: true, UseNews: true, Bubbles: true, AlsoAnswers: 12, Note: "shorter",
		},
		"delivery": &chorusv1.Delivery{
			Id: id, BotId: 3, Action: chorusv1.Action_ACTION_SET_REACTION, Text: "hello", Emoji: "🔥", TargetMessage: 11,
			Fallback: chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE, PlannedAt: at(1), ExpiresAt: at(120), CreatedAt: at(2),
			Typing: durationpb.New(1500 * time.Millisecond), Sticker: "CAACAg",
			Buttons: []*chorusv1.Button{{Text: "Send", Data: "send 1"}},
		},
		"ring":  &chorusv1.Ring{Chats: []int64{42, 7}},
		"event": &chorusv1.Event{Turns: []*chorusv1.TurnId{id}, Chats: []int64{7}},
	} {
		t.Run(name, func(t *testing.T) {
			for fields, i := m.ProtoReflect().Descriptor().Fields(), 0; i < fields.Len(); i++ {
				if !m.ProtoReflect().Has(fields.Get(i)) {
					t.Errorf("%s is not set above: its bytes are pinned by nothing", fields.Get(i).FullName())
				}
			}
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".hex")
			got := hex.EncodeToString(b)
			if *update {
				if err := os.WriteFile(file, []byte(got+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != strings.TrimSpace(string(want)) {
				t.Errorf("the wire bytes changed:\n got %s\nwant %s", got, want)
			}
		})
	}
}
