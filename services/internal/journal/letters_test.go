package journal_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

func (s *scene) bury(id string, turn *chorusv1.TurnId, stream string) {
	s.t.Helper()
	if err := s.Bury(s.t.Context(), &chorusv1.DeadLetter{Id: id, Stream: stream, Turn: turn, Reason: "broken"}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) letters(f journal.LetterFilter) []string {
	s.t.Helper()
	found, err := s.FindLetters(s.t.Context(), f, 10)
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, l := range found {
		ids = append(ids, l.GetId())
	}
	return ids
}

func TestLettersAreFoundAndPurged(t *testing.T) {
	s := newScene(t)
	s.bury("a", s.message(1).GetId(), "DELIVERIES")
	s.bury("b", nil, "TURNS")
	if _, err := s.pool.Exec(t.Context(), `UPDATE dead_letters SET created_at = now() - interval '2 days' WHERE id = 'b'`); err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for want, f := range map[string]journal.LetterFilter{
		"[a b]": {},
		"[b]":   {Stream: "TURNS"},
		"[a]":   {Chat: "club"},
		"[]":    {Chat: "nowhere"},
	} {
		if got := fmt.Sprint(s.letters(f)); got != want {
			t.Errorf("%+v finds %s, want %s", f, got, want)
		}
	}
	if got := fmt.Sprint(s.letters(journal.LetterFilter{Since: day})); got != "[a]" {
		t.Errorf("since yesterday: %s", got)
	}
	if n, err := s.PurgeLetters(t.Context(), journal.LetterFilter{OlderThan: day}); n != 1 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if got := fmt.Sprint(s.letters(journal.LetterFilter{})); got != "[a]" {
		t.Errorf("after the purge: %s", got)
	}
}

func TestReplayKeepsTheIdentity(t *testing.T) {
	s := newScene(t)
	d := s.message(1)
	s.bury("delivery", d.GetId(), "DELIVERIES")
	s.is(d, "dead closed")
	if err := s.Replay(t.Context(), "delivery", time.Hour); err != nil {
		t.Fatal(err)
	}
	s.is(d, "open pending")
	entries, err := s.Deliveries(d.GetAction()).Claim(t.Context(), 10)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	if id := entries[0].Message.ID; id != fmt.Sprintf("%d-1.1", s.chat) {
		t.Errorf("it is published as %s", id)
	}
	var again chorusv1.Delivery
	if err := proto.Unmarshal(entries[0].Message.Payload, &again); err != nil {
		t.Fatal(err)
	}
	var expires time.Time
	var left time.Duration
	if err := s.pool.QueryRow(t.Context(), `SELECT expires_at, expires_at - now() FROM deliveries`).Scan(&expires, &left); err != nil {
		t.Fatal(err)
	}
	if left > time.Hour || left < time.Hour-time.Minute {
		t.Errorf("it is good for another %v, want an hour", left)
	}
	if !again.GetExpiresAt().AsTime().Equal(expires) || again.GetText() != d.GetText() || !proto.Equal(again.GetId(), d.GetId()) {
		t.Errorf("replayed as %v", &again)
	}
	s.claim(d, "one")
	if err := s.Replay(t.Context(), "delivery", time.Hour); err == nil {
		t.Error("a turn that is open was replayed")
	}
	if got := s.letters(journal.LetterFilter{Unreplayed: true}); len(got) != 0 {
		t.Errorf("not replayed: %v", got)
	}
}

func TestReplayOfATurn(t *testing.T) {
	s := newScene(t)
	turn := journaltest.Turn(s.chat, 1, s.bot)
	s.plan(journal.Planned{Turn: turn})
	s.bury("turn", turn.GetId(), "TURNS")
	if err := s.Replay(t.Context(), "turn", time.Minute); err != nil {
		t.Fatal(err)
	}
	entries, err := s.Turns().Claim(t.Context(), 10)
	if err != nil || len(entries) != 1 || entries[0].Message.ID != fmt.Sprintf("%d-1.1", s.chat) {
		t.Errorf("to publish: %v, %v", entries, err)
	}
}

func TestReplayOfNothing(t *testing.T) {
	s := newScene(t)
	if err := s.Replay(t.Context(), "none", time.Minute); !errors.Is(err, journal.ErrNoLetter) {
		t.Errorf("an unknown letter: %v", err)
	}
	s.bury("strange", nil, "TURNS")
	if err := s.Replay(t.Context(), "strange", time.Minute); err == nil {
		t.Error("a letter without a turn was replayed")
	}
}
