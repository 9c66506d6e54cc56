package simulate_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
	"github.com/chorus-cast/chorus/services/planner/simulate"
)

// club is a book club over a day. Anna sleeps at night, Ben is in both chats,
// Clara is quick and limited.
func club(t *testing.T) simulate.Options {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	day, err := hours.Parse("08:00-23:00")
	if err != nil {
		t.Fatal(err)
	}
	anna := decide.Bot{ID: 1, Name: "anna", DisplayName: "Anna", Enabled: true, Tempo: 1, HourlyMax: 60, ActiveHours: []hours.Range{day}}
	ben := decide.Bot{ID: 2, Name: "ben", DisplayName: "Ben", Enabled: true, Tempo: 1, HourlyMax: 30}
	clara := decide.Bot{ID: 3, Name: "clara", DisplayName: "Clara", Enabled: true, Tempo: 2, HourlyMax: 20}
	chat := func(id int64, name string, cast ...decide.Bot) simulate.Chat {
		return simulate.Chat{
			Name: name, Cast: cast, Settings: planner.Effective(nil, 0),
			Chat: decide.Chat{ID: id, Enabled: true, TimeZone: zone, Topics: []string{"the ending", "pacing"}, MeanGap: time.Minute},
		}
	}
	return simulate.Options{
		Chats: []simulate.Chat{chat(1, "club", anna, ben, clara), chat(2, "pub", ben, clara)},
		Start: time.Date(2026, 5, 6, 0, 0, 0, 0, zone), Duration: 24 * time.Hour, Seed: 1,
	}
}

func TestADayToTheByte(t *testing.T) {
	t.Parallel()
	play := func(seed uint64) string {
		o := club(t)
		o.Seed = seed
		var b bytes.Buffer
		r := simulate.Run(o)
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		if err := r.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	first := play(1)
	if play(1) != first {
		t.Error("the same seed gave another day")
	}
	if play(2) == first {
		t.Error("another seed gave the same day")
	}
}

func TestADayIsPlausible(t *testing.T) {
	t.Parallel()
	o := club(t)
	r := simulate.Run(o)
	hourly := map[string][]time.Time{}
	last, run := map[string]string{}, map[string]int{}
	number := map[string]int64{}
	for i, turn := range r.Turns {
		if i > 0 && turn.At.Before(r.Turns[i-1].At) {
			t.Fatal("turns are not in the order of time")
		}
		if number[turn.Chat]++; turn.Number != number[turn.Chat] {
			t.Fatalf("turn %d of %s has the number %d", number[turn.Chat], turn.Chat, turn.Number)
		}
		if h := turn.At.Hour(); turn.Bot == "anna" && (h < 8 || h >= 23) {
			t.Fatalf("anna acts at %v", turn.At)
		}
		if turn.Turn.Kind == decide.KindReaction {
			continue
		}
		if run[turn.Chat]++; last[turn.Chat] != turn.Bot {
			run[turn.Chat] = 1
		}
		last[turn.Chat] = turn.Bot
		// By day ben and anna can speak, unless one is at its limit.
		if run[turn.Chat] > 3 && turn.Chat == "club" && turn.At.Hour() >= 8 && turn.At.Hour() < 23 &&
			len(hourly["ben"]) < 30 && len(hourly["anna"]) < 60 {
			t.Fatalf("%s speaks %d times in a row at %v", turn.Bot, run[turn.Chat], turn.At)
		}
		for bot, times := range hourly {
			for len(times) > 0 && !times[0].After(turn.At.Add(-time.Hour)) {
				times = times[1:]
			}
			hourly[bot] = times
		}
		hourly[turn.Bot] = append(hourly[turn.Bot], turn.At)
		if most := map[string]int{"anna": 60, "ben": 30, "clara": 20}[turn.Bot]; len(hourly[turn.Bot]) > most {
			t.Fatalf("%s has %d messages in the hour before %v, at most %d are allowed", turn.Bot, len(hourly[turn.Bot]), turn.At, most)
		}
	}
	if len(r.Turns) < 1000 {
		t.Errorf("%d turns in a day", len(r.Turns))
	}
}

func TestSummaryAddsUp(t *testing.T) {
	t.Parallel()
	r := simulate.Run(club(t))
	s := r.Summary()
	bots, hourCounts := 0, 0
	for _, b := range s.Bots {
		bots += b.Total()
	}
	for _, h := range s.Hours {
		hourCounts += h.Total()
	}
	if n := len(r.Turns); s.Kinds.Total() != n || bots != n || hourCounts != n {
		t.Errorf("%d turns, by kind %d, by bot %d, by hour %d", n, s.Kinds.Total(), bots, hourCounts)
	}
	if len(s.Bots) != 5 || len(s.Hours) != 48 {
		t.Errorf("%d rows of bots and %d of hours, want 5 and 48", len(s.Bots), len(s.Hours))
	}
	// Both clara's and ben's hours are full now and then.
	if len(s.Skips) == 0 {
		t.Error("no skips are counted")
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	r := simulate.Run(club(t))
	var table, object bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"TIME", "Wed 08:", "club", "anna", "reply", "the ending", "REACTIONS", "NO TURN BECAUSE", "hourly_limit"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table has no %q", want)
		}
	}
	if err := r.WriteJSON(&object); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Hours float64
		Turns []struct {
			Kind    string
			Reasons []struct{ Rule string }
		}
		Summary struct {
			Kinds struct{ Messages, Replies, Reactions int }
		}
	}
	if err := json.Unmarshal(object.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	kinds := got.Summary.Kinds
	if got.Hours != 24 || len(got.Turns) != len(r.Turns) || kinds.Messages+kinds.Replies+kinds.Reactions != len(r.Turns) {
		t.Errorf("%v hours, %d turns, %+v", got.Hours, len(got.Turns), kinds)
	}
	if len(got.Turns[0].Reasons) == 0 || got.Turns[0].Kind == "" {
		t.Errorf("the first turn is %+v", got.Turns[0])
	}
}

func TestNothingToPlay(t *testing.T) {
	t.Parallel()
	o := club(t)
	o.Chats[0].Chat.Enabled = false
	o.Chats = o.Chats[:1]
	if r := simulate.Run(o); len(r.Turns) != 0 || len(r.Skips) != 1 || r.Skips[0].Reason != "chat_disabled" {
		t.Errorf("a chat that is off gave %d turns and %v", len(r.Turns), r.Skips)
	}
	o.Chats = nil
	if r := simulate.Run(o); len(r.Turns) != 0 {
		t.Errorf("no chat gave %d turns", len(r.Turns))
	}
}

func TestPicture(t *testing.T) {
	t.Parallel()
	o := club(t)
	for _, span := range []time.Duration{time.Hour, 24 * time.Hour, 50 * time.Hour} {
		o.Start, o.Duration = o.Start.Add(9*time.Hour), span
		var picture bytes.Buffer
		if err := simulate.Run(o).WriteSVG(&picture); err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(&picture)
		found := map[string]int{}
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v: no XML: %v", span, err)
			}
			if text, ok := token.(xml.CharData); ok {
				found[string(text)]++
			}
		}
		if found["club"] != 1 || found["pub"] != 1 || found["anna"] != 1 || found["ben"] != 2 || found["reactions"] != 1 {
			t.Errorf("%v: the picture shows %v", span, found)
		}
	}
}

func TestChatsOfACast(t *testing.T) {
	t.Parallel()
	cast := roster.Cast{
		Bots: []roster.Bot{
			{Name: "anna", Enabled: true, Tempo: 2, ActiveHours: []string{"22:00-02:00"}, HourlyMin: 1, HourlyMax: 9},
			{Name: "ben", Enabled: true, Stances: []roster.Stance{{Topic: "tea", Confidence: 0.5}}, Persona: roster.Persona{DisplayName: "Ben", Interests: []string{"tea"}}},
		},
		Chats: []roster.Chat{{Name: "pub", Enabled: true, TimeZone: "Europe/Berlin", MeanGap: time.Minute, Topics: []string{"tea"}, Cast: []string{"ben", "anna"}}},
	}
	chats, err := simulate.Chats(cast, func(string) decide.Settings { return planner.Effective(nil, 0) })
	if err != nil {
		t.Fatal(err)
	}
	c := chats[0]
	if len(chats) != 1 || c.Name != "pub" || c.Chat.ID != 1 || !c.Chat.Enabled || c.Chat.TimeZone.String() != "Europe/Berlin" || c.Chat.MeanGap != time.Minute {
		t.Errorf("the chat is %+v", c.Chat)
	}
	ben, anna := c.Cast[0], c.Cast[1]
	if ben.ID != 2 || ben.DisplayName != "Ben" || len(ben.Interests) != 1 || len(ben.Stances) != 1 || ben.Stances[0].Confidence != 0.5 ||
		anna.ID != 1 || anna.Tempo != 2 || len(anna.ActiveHours) != 1 || anna.HourlyMin != 1 || anna.HourlyMax != 9 {
		t.Errorf("the cast is %+v", c.Cast)
	}
	cast.Bots[0].ActiveHours = []string{"late"}
	if _, err := simulate.Chats(cast, nil); err == nil {
		t.Error("hours that are none were taken")
	}
}
