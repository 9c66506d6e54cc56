package sender_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// Two chats in 429 within the window hold the bot back everywhere, and no other bot.
func TestTwoChatsInA429CoolTheBot(t *testing.T) {
	s := newFixture(t)
	ben := s.newBot("ben")
	one, _ := s.chat("one", world.Supergroup)
	two, _ := s.chat("two", world.Supergroup)
	other, _ := s.chat("other", world.Supergroup)
	bens, _ := s.chat("bens", world.Supergroup, ben)
	s.fault("sendMessage:429:retry_after=20:count=2")
	for _, chat := range []int64{one, two, other} {
		s.becomes(s.say(chat, "hello"), "open waiting parked")
	}
	s.called("sendMessage", "none 429", "none 429")
	s.becomes(s.say(bens, "not held back", func(turn *chorusv1.Turn) { turn.BotId = ben }), "delivered closed")
}

// sharedLimits returns a limiter that shares its limits with other processes.
func sharedLimits(t testing.TB, url string) *limit.Shared {
	t.Helper()
	cfg := redisdb.Config{URL: url, Timeout: patience}
	client, err := redisdb.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	const window = 5 * time.Second
	return limit.NewShared(limit.NewRedis(client, window), limit.NewLocal(window, nil), cfg.Timeout, nil, testenv.Logger(t))
}

func TestA429OfAnotherReplicaIsObeyed(t *testing.T) {
	s := newFixture(t)
	s.stop()
	url := testenv.Redis(t)
	s.limits = sharedLimits(t, url)
	cfg := sender.DefaultConfig()
	cfg.ShortWait = 100 * time.Millisecond
	s.run(cfg)
	slow, _ := s.chat("slow", world.Supergroup)
	quick, _ := s.chat("quick", world.Supergroup)
	if err := sharedLimits(t, url).Cool(t.Context(), s.bot, slow, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	s.becomes(s.say(slow, "held back"), "open waiting parked")
	s.becomes(s.say(quick, "not held back"), "delivered closed")
	s.called("sendMessage", "sent 200")
}

// typed publishes a message with a typing time.
func (s *fixture) typed(chat int64, length time.Duration, change ...func(*chorusv1.Delivery)) *chorusv1.Delivery {
	s.t.Helper()
	turn := s.turn(chat)
	d := journaltest.Message(turn, "hello")
	d.Typing = durationpb.New(length)
	for _, c := range change {
		c(d)
	}
	return s.post(turn, d)
}

func TestTyping(t *testing.T) {
	s := newFixture(t, func(cfg *sender.Config) { cfg.Typing, cfg.TypingLate = true, patience })
	chat, _ := s.chat("club", world.Supergroup)
	slow, _ := s.chat("slow", world.Supergroup)

	// Long typing delays no other chat, and stops when the sender stops.
	long := s.typed(slow, patience)
	testenv.Eventually(s.t, "it types", func() (string, bool) { return "silent", len(s.calls("sendChatAction")) == 1 })
	s.becomes(s.typed(chat, 50*time.Millisecond), "delivered closed")
	s.called("sendChatAction", "typing 200", "typing 200")

	// A late delivery isn't typed.
	s.becomes(s.typed(chat, patience, func(d *chorusv1.Delivery) {
		d.CreatedAt = timestamppb.New(time.Now().Add(-2 * patience))
	}), "delivered closed")
	s.called("sendChatAction", "typing 200", "typing 200")
	s.becomes(long, "open claimed")
	s.stop()
	s.becomes(long, "open waiting")
}

// exhausted has no tokens for calls that can't wait.
type exhausted struct{ limit.Limiter }

func (l exhausted) Reserve(ctx context.Context, c limit.Call, most time.Duration) (limit.Verdict, error) {
	if most == 0 {
		return limit.Verdict{Wait: time.Second}, nil
	}
	v, err := l.Limiter.Reserve(ctx, c, most)
	if err != nil {
		return v, fmt.Errorf("reserve: %w", err)
	}
	return v, nil
}

// Typing uses the bot's tokens, and is skipped if there are none to spare.
func TestTypingLeavesTheTokensToMessages(t *testing.T) {
	s := newFixture(t)
	s.stop()
	s.limits = exhausted{limit.NewLocal(time.Second, nil)}
	cfg := sender.DefaultConfig()
	cfg.TypingLate = time.Hour
	s.run(cfg)
	chat, _ := s.chat("club", world.Supergroup)
	s.becomes(s.typed(chat, 10*time.Millisecond), "delivered closed")
	s.called("sendChatAction")
}
