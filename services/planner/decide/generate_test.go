package decide_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/reaction"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// anyInput is an input of any sense or none.
func anyInput(t *rapid.T) decide.Input {
	zone := rapid.SampledFrom([]*time.Location{nil, time.UTC, time.FixedZone("far", 14*3600), berlin(t)}).Draw(t, "zone")
	now := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "now"), 0)
	in := decide.Input{
		Chat: decide.Chat{
			ID: 1, Enabled: usually(t, "chat enabled"), Basic: rapid.Bool().Draw(t, "basic"), TimeZone: zone,
			Topics:  rapid.SliceOfN(anyTerm(), 0, 70).Draw(t, "topics"),
			MeanGap: time.Duration(rapid.Int64().Draw(t, "gap")),
		},
		Settings: anySettings(t), TurnNumber: rapid.Int64().Draw(t, "turn"), Seed: rapid.Uint64().Draw(t, "seed"),
		UnwrittenTurns: rapid.IntRange(0, 6).Draw(t, "open"), UnwrittenFor: time.Duration(rapid.Int64().Draw(t, "open for")), Due: now, Now: now,
		ChatLastMinute: rapid.IntRange(0, 25).Draw(t, "chat load"), GlobalLastMinute: rapid.IntRange(0, 25).Draw(t, "load"),
		Held: rapid.IntRange(0, 6).Draw(t, "held"), AsksNature: rapid.Bool().Draw(t, "asks nature"),
		ChatToday: rapid.IntRange(0, 25).Draw(t, "today"),
		Coming:    rapid.SliceOfN(rapid.Int64Range(1, 9), 0, 4).Draw(t, "coming"),
		Lively:    rapid.Bool().Draw(t, "lively"),
	}
	if !usually(t, "not paused") {
		in.Paused = anyPause(t, now)
	}
	in.Chat.Scene = rapid.SampledFrom([]string{"", "", "the storm hits"}).Draw(t, "scene")
	if rapid.Bool().Draw(t, "some reactions") {
		in.Chat.AllowedReactions = rapid.SliceOfN(rapid.SampledFrom(reaction.All()), 0, 5).Draw(t, "reactions")
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "cast") {
		in.Cast = append(in.Cast, anyBot(t, int64(i+1), now))
	}
	// More than are looked at.
	for i := range rapid.IntRange(0, 60).Draw(t, "messages") {
		in.Recent = append(in.Recent, anyMessage(t, int64(i+1), now))
	}
	for range rapid.IntRange(0, 2).Draw(t, "answering") {
		in.Answering = append(in.Answering, decide.Answer{
			Message: rapid.Int64Range(1, 60).Draw(t, "answered"), BotID: rapid.Int64Range(1, 9).Draw(t, "answerer"),
		})
	}
	if n := len(in.Recent); n > 0 && rapid.IntRange(0, 3).Draw(t, "prompt") == 0 {
		in.Prompted = rapid.Int64Range(1, int64(n)+1).Draw(t, "prompted")
		in.PersonAnswers, in.ChatAnswers = rapid.IntRange(0, 25).Draw(t, "person answers"), rapid.IntRange(0, 70).Draw(t, "chat answers")
		in.Addressed = rapid.SliceOfN(rapid.Int64Range(1, 9), 0, 2).Draw(t, "addressed")
		for i := range rapid.IntRange(0, 7).Draw(t, "waiting") {
			in.Waiting = append(in.Waiting, decide.Waiting{
				Message: in.Prompted + 1 + int64(i), MayJoin: rapid.Bool().Draw(t, "may join"),
				Addressed: rapid.SliceOfN(rapid.Int64Range(1, 9), 0, 2).Draw(t, "known"),
			})
		}
	}
	return in
}

func anyPause(t *rapid.T, now time.Time) *decide.Pause {
	p := &decide.Pause{By: "Kim"}
	if rapid.Bool().Draw(t, "ends") {
		p.Until = now.Add(time.Duration(rapid.Int64Range(1, 1e14).Draw(t, "until")))
	}
	return p
}

func anyBot(t *rapid.T, id int64, now time.Time) decide.Bot {
	var muted *decide.Pause
	if !usually(t, "not muted") {
		muted = anyPause(t, now)
	}
	return decide.Bot{
		Muted: muted,
		ID:    id, Name: anyTerm().Draw(t, "name"), Username: anyTerm().Draw(t, "username"), DisplayName: anyTerm().Draw(t, "display name"),
		Enabled: usually(t, "enabled"), Suspended: !usually(t, "suspended"), Tempo: anyFloat(t, "tempo"),
		ActiveHours: anyHours(t),
		HourlyMin:   rapid.IntRange(-1, 5).Draw(t, "hourly min"), HourlyMax: rapid.IntRange(-1, 12).Draw(t, "hourly max"),
		LastHour:  rapid.IntRange(0, 12).Draw(t, "last hour"),
		Interests: rapid.SliceOfN(anyTerm(), 0, 70).Draw(t, "interests"),
		Stances: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) decide.Stance {
			return decide.Stance{Topic: anyTerm().Draw(t, "stance"), Confidence: anyFloat(t, "confidence"), CooldownUntil: around(t, now)}
		}), 0, 3).Draw(t, "stances"),
		Empathy: anyFloat(t, "empathy"), Energy: anyFloat(t, "energy"),
		SinceRefresh: rapid.Int().Draw(t, "since refresh"), LastRefresh: around(t, now),
	}
}

func anyMessage(t *rapid.T, number int64, now time.Time) decide.Message {
	m := decide.Message{
		Number: number, BotID: rapid.Int64Range(0, 9).Draw(t, "author"), Author: "Mira",
		ReplyTo: rapid.Int64Range(0, number-1).Draw(t, "reply to"), At: around(t, now),
		Usable: rapid.SliceOfN(rapid.Int64Range(1, 8), 0, 3).Draw(t, "usable"),
	}
	m.Text = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "Anna, what do you think? 😂", "the ending is sad and I am sorry", "\xff\xfe broken", "congrats!! 🎉🎉",
	})).Draw(t, "text")
	return m
}

func anySettings(t *rapid.T) decide.Settings {
	s := planner.Effective(nil, 0)
	if rapid.Bool().Draw(t, "default settings") {
		return s
	}
	s.Active, s.PrimeBoost, s.CooldownFilter = usually(t, "active"), rapid.Bool().Draw(t, "boost"), rapid.Bool().Draw(t, "filter")
	s.ScaleFactor, s.PrimeFactor, s.MaxGapFactor = anyFloat(t, "scale"), anyFloat(t, "prime"), anyFloat(t, "max gap")
	s.LivelyGap, s.FloorPull, s.FairShare, s.MinNeed = anyFloat(t, "lively"), anyFloat(t, "exchange"), anyFloat(t, "share"), anyFloat(t, "need")
	s.MaxRun, s.MaxRally = rapid.IntRange(1, 10).Draw(t, "run"), rapid.IntRange(2, 50).Draw(t, "rally")
	s.LagBoost, s.AddressedBoost = anyFloat(t, "lag"), anyFloat(t, "addressed")
	s.PrimeHours = anyHours(t)
	s.MinGap = time.Duration(rapid.Int64().Draw(t, "min gap"))
	s.TurnTTL = time.Duration(rapid.Int64Range(-1e9, 1e15).Draw(t, "ttl"))
	s.ChatPerMinute, s.GlobalPerMinute = rapid.IntRange(0, 25).Draw(t, "chat limit"), rapid.IntRange(0, 25).Draw(t, "limit")
	s.PersonAnswers, s.ChatAnswers, s.ChatPerDay = rapid.IntRange(0, 25).Draw(t, "person limit"), rapid.IntRange(0, 25).Draw(t, "answer limit"), rapid.IntRange(0, 25).Draw(t, "day limit")
	s.MaxWaiting, s.JointProbability = rapid.IntRange(0, 8).Draw(t, "max waiting"), rapid.Float64Range(0, 1).Draw(t, "joint")
	s.Holds, s.MaxHeld = rapid.Bool().Draw(t, "holds"), rapid.IntRange(0, 12).Draw(t, "max held")
	s.MaxUnwrittenTurns = rapid.IntRange(0, 6).Draw(t, "max open")
	for _, p := range []*float64{
		&s.ReactionProbability, &s.ReplyProbability, &s.ReplyToBotProbability, &s.MentionProbability, &s.MentionAtStart, &s.NewsProbability, &s.BubblesProbability,
		&s.AdditionProbability, &s.SecondAnswerProbability, &s.ExchangeProbability, &s.LengthShort, &s.LengthMedium, &s.LengthLong,
	} {
		*p = rapid.Float64Range(0, 1).Draw(t, "probability")
	}
	for _, n := range []*int{&s.ReplyWindow, &s.ReactionWindow, &s.TopicWindow, &s.RefreshMessages} {
		*n = rapid.IntRange(-1, 60).Draw(t, "window")
	}
	s.ReplyMaxAge = time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "age"))
	s.Order = rapid.SampledFrom([]string{decide.OrderPlanner, decide.OrderPlanner, decide.OrderRoundRobin, decide.OrderManual}).Draw(t, "order")
	s.ReactionMode = rapid.SampledFrom([]string{
		decide.ReactionsNative, decide.ReactionsNativeThenMessage, decide.ReactionsMessage, decide.ReactionsOff,
	}).Draw(t, "mode")
	return s
}

func anyHours(t *rapid.T) []hours.Range {
	texts := rapid.SliceOfN(rapid.SampledFrom([]string{"09:00-17:00", "22:00-02:00", "00:00-24:00", "02:30-02:31"}), 0, 2).Draw(t, "hours")
	ranges, err := hours.ParseAll(texts)
	if err != nil {
		t.Fatal(err)
	}
	return ranges
}

func anyTerm() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom([]string{"", "the ending", "Anna", "sad", "AI", "Öl"}), rapid.StringN(0, 20, 40))
}

func anyFloat(t *rapid.T, label string) float64 {
	return rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1)).Draw(t, label)
}

// around is a time near now, before or after it.
func around(t *rapid.T, now time.Time) time.Time {
	return now.Add(time.Duration(rapid.Int64Range(-1e14, 1e13).Draw(t, "when")))
}

// usually is true four times out of five.
func usually(t *rapid.T, label string) bool {
	return slices.Contains([]int{0, 1, 2, 3}, rapid.IntRange(0, 4).Draw(t, label))
}

func berlin(t *rapid.T) *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
