package sender_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// Whatever Telegram responds, even the token itself: no token is in the logs, on the bus,
// in the journal or in the metrics.
func TestNoTokenLeavesTheSender(t *testing.T) {
	s := newFixture(t)
	s.stop()
	core, logs := observer.New(zapcore.DebugLevel)
	registry := prometheus.NewRegistry()
	s.log, s.metrics = zap.New(core), sender.NewMetrics(registry)
	s.cfg.BreakerFailures = 100
	s.run(s.cfg)
	token := s.tokens["anna"]
	var chat, said int64
	for i, rule := range []fault.Rule{
		{Kind: fault.Status, Status: 400, Description: "Bad Request: bot" + token + " is refused"},
		{Kind: fault.Status, Status: 403, Description: "Forbidden: " + token},
		{Kind: fault.Status, Status: 400, Description: url.QueryEscape(token)},
		{Kind: fault.ResetAfter},
		{Kind: fault.ResetBefore},
		{Kind: fault.Status, Status: 502, Body: fault.HTML},
		{Kind: fault.Status, Status: 429, RetryAfter: 1, Description: "Too Many Requests: " + token},
		{Kind: fault.Status, Status: 401, Description: "Unauthorized: " + token},
	} {
		chat, said = s.chat(fmt.Sprint("club-", i), world.Supergroup)
		rule.Count = 2
		if _, err := s.telegram.Faults().Replace([]fault.Rule{rule}); err != nil {
			t.Fatal(err)
		}
		s.ends(s.say(chat, "hello"))
		s.ends(s.react(chat, said, "👍", emojiMessage))
	}
	// A call that gets a 409 again and again becomes a dead letter.
	s.fault("sendMessage:409:" + token)
	s.exec(`UPDATE bots SET stopped_at = NULL, stopped_why = NULL`)
	s.exec(`UPDATE cast_members SET suspended_at = NULL, suspended_why = NULL`)
	turn := s.turn(chat)
	dead := journaltest.Message(turn, "dead")
	s.plan(journal.Planned{Turn: turn, Delivery: dead})
	s.exec(`UPDATE deliveries SET attempts = 19 WHERE closed_at IS NULL`)
	s.bus.Ring(bus.Messages(), chat)
	s.becomes(dead, "dead closed")
	s.stop()

	var shown []string
	for _, entry := range logs.All() {
		shown = append(shown, fmt.Sprintf("log: %+v %v", entry.Entry, entry.ContextMap()))
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, fmt.Sprintf("metrics: %v", families), fmt.Sprintf("breakers: %+v", s.sender.Breakers()))
	rows, messages := s.everyRow("turns", "deliveries", "dead_letters", "messages", "bots", "cast_members"), s.everyMessage()
	if len(logs.All()) < 10 || len(rows) < 30 {
		t.Fatalf("%d logs, %d rows: the test shows nothing", len(logs.All()), len(rows))
	}
	_, key, _ := strings.Cut(token, ":")
	for _, text := range append(append(shown, rows...), messages...) {
		if strings.Contains(text, key[:12]) || strings.Contains(text, key[len(key)-12:]) {
			t.Errorf("the token is shown: %s", text)
		}
	}
}

// ends waits until a turn has ended.
func (s *fixture) ends(d *chorusv1.Delivery) {
	s.t.Helper()
	testenv.Eventually(s.t, "a turn ends", func() (string, bool) {
		got, err := journaltest.State(s.t.Context(), s.pool, d.GetId())
		if err != nil {
			s.t.Fatal(err)
		}
		return got, strings.HasSuffix(got, " closed")
	})
}

// everyRow returns all rows of the tables as text. Binary columns are returned unchanged.
func (s *fixture) everyRow(tables ...string) (all []string) {
	s.t.Helper()
	for _, table := range tables {
		rows, err := s.pool.Query(s.t.Context(), `SELECT t::text FROM `+table+` t`)
		if err != nil {
			s.t.Fatal(err)
		}
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				s.t.Fatal(err)
			}
			all = append(all, table+": "+text)
		}
	}
	for _, table := range []string{"turns", "deliveries"} {
		rows, err := s.pool.Query(s.t.Context(), `SELECT payload FROM `+table)
		if err != nil {
			s.t.Fatal(err)
		}
		for rows.Next() {
			var payload []byte
			if err := rows.Scan(&payload); err != nil {
				s.t.Fatal(err)
			}
			all = append(all, table+": "+string(payload))
		}
	}
	return all
}

// everyMessage returns all messages stored on the bus.
func (s *fixture) everyMessage() (all []string) {
	s.t.Helper()
	js := bustest.JetStream(s.t, s.busCfg.URL)
	for _, name := range bus.Streams() {
		stream, err := js.Stream(s.t.Context(), name)
		if err != nil {
			s.t.Fatal(err)
		}
		for n := stream.CachedInfo().State.FirstSeq; n <= stream.CachedInfo().State.LastSeq; n++ {
			if m, err := stream.GetMsg(s.t.Context(), n); err == nil { // an acknowledged one is deleted
				all = append(all, fmt.Sprintf("%s: %v %s", m.Subject, m.Header, m.Data))
			}
		}
	}
	return all
}
