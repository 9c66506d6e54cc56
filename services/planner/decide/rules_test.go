package decide_test

import (
	"slices"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/reaction"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// quiet is a chat of two bots in which a person has said one thing. Bot 1 is the
// only one that may answer.
func quiet(text string) decide.Input {
	in := busy(2)
	in.Cast[1].Suspended = true
	in.Cast[0].Empathy, in.Cast[0].Interests, in.Chat.Topics = 0.5, []string{"Victorian novels"}, []string{"the ending", "pacing"}
	in.Recent = []decide.Message{{Number: 1, Author: "Mira", Text: text, At: in.Now.Add(-time.Minute)}}
	in.Settings.ReactionProbability, in.Settings.ReplyProbability, in.Settings.ReplyToBotProbability = 0, 1, 1
	in.Settings.AdditionProbability = 0
	return in
}

func reasons(t *testing.T, in decide.Input) map[string]float64 {
	t.Helper()
	d := decide.Decide(in)
	if d.Turn == nil {
		t.Fatalf("skipped: %v", d.Skip)
	}
	found := map[string]float64{}
	for _, r := range d.Turn.Reasons {
		found[r.Rule] = r.Weight
	}
	return found
}

func TestTargetRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule   string
		text   string
		change func(*decide.Input)
		want   float64
	}{
		{"target.person", "Hello.", nil, 8},
		{"target.bot", "Hello.", func(in *decide.Input) { in.Recent[0].BotID = 2 }, 2.5},
		{"target.person", "Hello.", func(in *decide.Input) { in.Recent[0].BotID = 2 }, 0},
		{"target.near", "Hello.", nil, 9},
		{"target.near", "Hello.", func(in *decide.Input) { in.Recent[0].At = in.Now.Add(-2 * time.Hour) }, 9},
		{"target.near", "Hello.", func(in *decide.Input) { in.Coming = []int64{2, 2} }, 1},
		{"target.brief", "So it is.", func(in *decide.Input) { in.Recent[0].BotID = 2 }, 0},
		{"target.brief", "Oh no.", func(in *decide.Input) { in.Recent[0].BotID = 2 }, -6},
		{"target.brief", "Oh no?", func(in *decide.Input) { in.Recent[0].BotID = 2 }, 0},
		{"target.brief", "Oh no.", nil, 0},
		{"target.question", "Really?", nil, 4},
		{"target.question", "本当？", nil, 4},
		{"target.question", "Really; yes.", nil, 0},
		{"target.curious", "I would love some thoughts", nil, 3},
		{"target.names_bot", "I agree with anna there.", nil, 15},
		{"target.names_bot", "Ask @ANNA_0_bot about it", nil, 15},
		{"target.names_bot", "Annabel said so", nil, 0},
		{"target.names_bot", "The old house", func(in *decide.Input) { in.Cast[0].DisplayName = "The Old Keeper" }, 0},
		{"target.names_bot", "Dear keeper", func(in *decide.Input) { in.Cast[0].DisplayName = "The Old Keeper" }, 15},
		{"target.answers_bot", "No.", func(in *decide.Input) {
			in.Recent = append([]decide.Message{{Number: 9, BotID: 1, Text: "Yes.", At: in.Now}}, in.Recent...)
			in.Recent[1].ReplyTo = 9
		}, 10},
		{"target.interest", "A victorian novel, please", nil, 2.5},
		{"target.topic", "Such an ending, such pacing", nil, 3},
		{"target.topic", "The weather", nil, 0},
		{"target.sad", "I am so sad and tired", func(in *decide.Input) { in.Cast[0].Empathy = 0.9 }, 2},
		{"target.sad", "I am so sad and tired", nil, 0},
		{"target.sad", "Sad but good and happy", func(in *decide.Input) { in.Cast[0].Empathy = 0.9 }, 0},
		{"target.answered", "Hello.", func(in *decide.Input) {
			in.Recent = append(in.Recent, decide.Message{Number: 2, BotID: 1, ReplyTo: 1, Text: "Hi.", At: in.Now})
			in.Cast[0].ID, in.Cast[0].HourlyMax = 3, 60
		}, -6},
		{"target.answered", "Hello.", func(in *decide.Input) {
			in.Answering = []decide.Answer{{Message: 1, BotID: 2}, {Message: 7, BotID: 2}}
		}, -6},
	} {
		in := quiet(c.text)
		if c.change != nil {
			c.change(&in)
		}
		if got := reasonsFor(t, in, 1)[c.rule]; got != c.want {
			t.Errorf("%s of %q: %v, want %v", c.rule, c.text, got, c.want)
		}
	}
}

// reasonsFor tries turn numbers until the message is the target.
func reasonsFor(t *testing.T, in decide.Input, target int64) map[string]float64 {
	t.Helper()
	for n := range int64(200) {
		in.TurnNumber = n
		if d := decide.Decide(in); d.Turn != nil && d.Turn.Target == target {
			return reasons(t, in)
		}
	}
	t.Fatalf("message %d was never the target", target)
	return nil
}

func TestTheBestThreeAreTargets(t *testing.T) {
	t.Parallel()
	in := quiet("")
	in.Recent = nil
	for i, text := range []string{"One.", "Two?", "Three.", "Anna, four?", "Five.", "Six?"} {
		in.Recent = append(in.Recent, decide.Message{Number: int64(i + 1), Author: "Mira", Text: text, At: in.Now})
	}
	var hits [7]int
	turns(t, in, draws, func(d decide.Decision) { hits[d.Turn.Target]++ })
	const four, five, six = 8 + 1 + 4 + 15, 8 + 5, 8 + 9 + 4
	for target, weight := range map[int]float64{1: 0, 2: 0, 3: 0, 4: four, 5: five, 6: six} {
		share(t, in.Recent[target-1].Text, hits[target], draws, weight/(four+five+six))
	}
}

func TestNoTargetTwice(t *testing.T) {
	t.Parallel()
	in := quiet("Hello.")
	in.Cast[1].Suspended = false
	in.Recent = append(in.Recent,
		decide.Message{Number: 2, BotID: 1, ReplyTo: 1, Text: "Hi.", At: in.Now},
		decide.Message{Number: 3, BotID: 2, Text: "So.", At: in.Now})
	turns(t, in, 500, func(d decide.Decision) {
		if d.Turn.BotID != 1 || d.Turn.Target != 3 {
			t.Fatalf("bot %d answers %d, want bot 1 to answer 3", d.Turn.BotID, d.Turn.Target)
		}
	})
}

// A reply that is planned is one, though nobody can see it yet.
func TestNoTargetTwiceBeforeItIsSeen(t *testing.T) {
	t.Parallel()
	in := quiet("Anna, hello?")
	in.Recent = append(in.Recent, decide.Message{Number: 2, Author: "Noor", Text: "So.", At: in.Now})
	in.Answering = []decide.Answer{{Message: 1, BotID: 1}}
	turns(t, in, 500, func(d decide.Decision) {
		if d.Turn.Target != 2 {
			t.Fatalf("bot %d answers %d again", d.Turn.BotID, d.Turn.Target)
		}
	})
}

func TestWhoIsAboutToSpeakIsTheLastSpeaker(t *testing.T) {
	t.Parallel()
	in := busy(2)
	in.Settings.AdditionProbability, in.Settings.MinNeed = 0, -100
	in.Recent[len(in.Recent)-1].BotID, in.Coming = 1, []int64{2}
	turns(t, in, 500, func(d decide.Decision) {
		if d.Turn.BotID != 1 {
			t.Fatal("the bot whose message is on its way speaks again")
		}
	})
}

func TestTopics(t *testing.T) {
	t.Parallel()
	rests := func(until time.Duration, topics ...string) func(*decide.Input) {
		return func(in *decide.Input) {
			in.Cast[0].Stances = nil
			for _, topic := range topics {
				in.Cast[0].Stances = append(in.Cast[0].Stances, decide.Stance{Topic: topic, CooldownUntil: in.Now.Add(until)})
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*decide.Input)
		want   []string
	}{
		{"the pool", func(*decide.Input) {}, []string{"pacing", "the ending"}},
		{"one rests", rests(time.Minute, "The Ending"), []string{"pacing"}},
		{"one has rested", rests(-time.Minute, "the ending"), []string{"pacing", "the ending"}},
		{"all rest", rests(time.Minute, "the ending", "pacing"), []string{"pacing", "the ending"}},
		{"rest is off", func(in *decide.Input) {
			rests(time.Minute, "the ending")(in)
			in.Settings.CooldownFilter = false
		}, []string{"pacing", "the ending"}},
		{"a chat without topics", func(in *decide.Input) { in.Chat.Topics = nil }, []string{"Victorian novels"}},
		{"nothing to choose", func(in *decide.Input) { in.Chat.Topics, in.Cast[0].Interests = nil, nil }, []string{""}},
	} {
		in := quiet("Hello.")
		in.Settings.ReplyProbability = 0
		c.change(&in)
		got := map[string]bool{}
		turns(t, in, 200, func(d decide.Decision) { got[d.Turn.Topic] = true })
		if len(got) != len(c.want) || slices.ContainsFunc(c.want, func(topic string) bool { return !got[topic] }) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTopicFollowsTheChat(t *testing.T) {
	t.Parallel()
	in := quiet("")
	in.Cast[0].Stances = []decide.Stance{{Topic: "pacing", Confidence: 0.5}}
	in.Recent[0].Text = "That ending."
	in.Recent = append(in.Recent, decide.Message{Number: 2, Author: "Noor", Text: "Endings!", At: in.Now})
	in.Settings.ReplyProbability = 0
	hits := 0
	turns(t, in, draws, func(d decide.Decision) { hits += one(d.Turn.Topic == "the ending") })
	share(t, "the chat's topic", hits, draws, 3/(3+1.5))
	in.Settings.ReplyProbability = 1
	turns(t, in, 500, func(d decide.Decision) {
		if d.Turn.Topic != "the ending" {
			t.Fatalf("the answer is about %q", d.Turn.Topic)
		}
	})
}

func TestPersonaRefresh(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		since int
		ago   time.Duration
		every int
		after time.Duration
		want  bool
	}{
		{7, 29 * time.Minute, 8, 30 * time.Minute, false},
		{8, 0, 8, 30 * time.Minute, true},
		{0, 30 * time.Minute, 8, 30 * time.Minute, true},
		{100, 100 * time.Hour, 0, 0, false},
	} {
		in := quiet("Hello.")
		in.Cast[0].SinceRefresh, in.Cast[0].LastRefresh = c.since, in.Now.Add(-c.ago)
		in.Settings.RefreshMessages, in.Settings.RefreshAfter = c.every, c.after
		if got := decide.Decide(in).Turn.RefreshPersona; got != c.want {
			t.Errorf("after %d messages and %v: %v, want %v", c.since, c.ago, got, c.want)
		}
	}
}

func TestReactions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		text    string
		mode    string
		allowed []string
		want    []string // nil: no reaction
	}{
		{"sad", "I am so sad, I miss her", decide.ReactionsNative, nil, []string{"😢", "😭", "💔"}},
		{"an emoji", "Great 😢", decide.ReactionsNative, nil, []string{"😢", "😭", "💔"}},
		{"party", "Congratulations on the birthday", decide.ReactionsNative, []string{"👍", "🎉"}, []string{"🎉"}},
		{"the nearest", "haha, funny joke", decide.ReactionsNative, []string{"👍"}, []string{"👍"}},
		{"nothing suits", "so sad", decide.ReactionsNative, []string{"🎉"}, nil},
		{"none allowed", "so sad", decide.ReactionsNative, []string{}, nil},
		{"none allowed, but messages are", "so sad", decide.ReactionsNativeThenMessage, []string{}, []string{"😢", "😭", "💔"}},
		{"messages say what they like", "so sad", decide.ReactionsMessage, []string{"🎉"}, []string{"😢", "😭", "💔"}},
		{"off", "so sad", decide.ReactionsOff, nil, nil},
	} {
		in := quiet(c.text)
		in.Settings.ReactionProbability, in.Settings.ReactionMode, in.Chat.AllowedReactions = 1, c.mode, c.allowed
		turns(t, in, 100, func(d decide.Decision) {
			switch {
			case (d.Turn.Kind == decide.KindReaction) != (c.want != nil):
				t.Fatalf("%s: a %v, want one of %v", c.name, d.Turn.Kind, c.want)
			case c.want != nil && (!slices.Contains(c.want, d.Turn.Emoji) || !reaction.Valid(d.Turn.Emoji)):
				t.Fatalf("%s: %s, want one of %v", c.name, d.Turn.Emoji, c.want)
			}
		})
	}
}

func TestStickersFollowTheMood(t *testing.T) {
	t.Parallel()
	mine := []decide.Sticker{{FileID: "hug", Mood: "sadness"}, {FileID: "tears", Mood: "sadness"}, {FileID: "cake", Mood: "celebration"}}
	for _, c := range []struct {
		text, mode string
		want       []string // besides none
	}{
		{"I am so sad, I miss her", decide.ReactionsNativeThenMessage, []string{"hug", "tears"}},
		{"I am so sad, I miss her", decide.ReactionsMessage, []string{"hug", "tears"}},
		{"Congratulations on the birthday", decide.ReactionsNativeThenMessage, []string{"cake"}},
		{"haha, funny joke", decide.ReactionsNativeThenMessage, nil},
		{"I am so sad, I miss her", decide.ReactionsNative, nil},
	} {
		in := quiet(c.text)
		in.Settings.ReactionProbability, in.Settings.ReactionMode, in.Cast[0].Stickers = 1, c.mode, mine
		found := map[string]int{}
		turns(t, in, 200, func(d decide.Decision) {
			found[d.Turn.Sticker]++
			if d.Turn.Emoji == "" {
				t.Fatalf("%s, %s: there is no emoji to fall back to", c.text, c.mode)
			}
		})
		stickers := 0
		for _, id := range c.want {
			stickers += found[id]
			if found[id] == 0 {
				t.Errorf("%s, %s: %s is never sent", c.text, c.mode, id)
			}
		}
		if stickers+found[""] != 200 || c.want != nil && (stickers < 60 || stickers > 140) {
			t.Errorf("%s, %s: %v", c.text, c.mode, found)
		}
	}
}

func TestSkips(t *testing.T) {
	t.Parallel()
	night, err := hours.Parse("22:00-02:00")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want   decide.Skip
		change func(*decide.Input)
	}{
		{decide.SkipChatDisabled, func(in *decide.Input) { in.Chat.Enabled = false }},
		{decide.SkipSimulationOff, func(in *decide.Input) { in.Settings.Active = false }},
		{decide.SkipNoCast, func(in *decide.Input) { in.Cast = nil }},
		{decide.SkipNoCast, func(in *decide.Input) { in.Cast[0].Enabled = false }},
		{decide.SkipAsleep, func(in *decide.Input) { in.Cast[0].ActiveHours = []hours.Range{night} }},
		{decide.SkipHourlyLimit, func(in *decide.Input) { in.Cast[0].LastHour = in.Cast[0].HourlyMax }},
		{decide.SkipChatLimit, func(in *decide.Input) { in.ChatLastMinute = in.Settings.ChatPerMinute }},
		{decide.SkipGlobalLimit, func(in *decide.Input) { in.Settings.GlobalPerMinute, in.GlobalLastMinute = 5, 5 }},
		{decide.SkipTextsBehind, func(in *decide.Input) { in.UnwrittenTurns = in.Settings.MaxUnwrittenTurns }},
		{decide.SkipPromptGone, func(in *decide.Input) { in.Prompted = 99 }},
		{decide.SkipPromptGone, func(in *decide.Input) { in.Prompted, in.Recent[0].BotID = 1, 2 }},
		{decide.SkipAnswered, func(in *decide.Input) {
			in.Prompted = 1
			in.Recent = append(in.Recent, decide.Message{Number: 2, BotID: 2, ReplyTo: 1, At: in.Now})
		}},
		{decide.SkipAnswered, func(in *decide.Input) {
			in.Prompted, in.Answering = 1, []decide.Answer{{Message: 1, BotID: 2}}
		}},
		{decide.SkipPromptLate, func(in *decide.Input) { in.Prompted, in.Recent[0].At = 1, in.Now.Add(-3*time.Minute) }},
		{decide.SkipAddresseeAway, func(in *decide.Input) { in.Prompted, in.Recent[0].Text = 1, "Ben?" }},
		{decide.SkipAddresseeAway, func(in *decide.Input) { in.Prompted, in.Addressed = 1, []int64{77} }}, // of another cast
		{decide.SkipUnreachable, func(in *decide.Input) { in.Prompted, in.Chat.Basic = 1, true }},
		{decide.SkipDayLimit, func(in *decide.Input) { in.ChatToday = in.Settings.ChatPerDay }},
		{decide.SkipPersonAnswers, func(in *decide.Input) { in.Prompted, in.PersonAnswers = 1, in.Settings.PersonAnswers }},
		{decide.SkipChatAnswers, func(in *decide.Input) { in.Prompted, in.ChatAnswers = 1, in.Settings.ChatAnswers }},
		{decide.SkipAnswered, func(in *decide.Input) { // which is no prompt that a limit dropped
			in.Prompted, in.PersonAnswers, in.Answering = 1, in.Settings.PersonAnswers, []decide.Answer{{Message: 1, BotID: 2}}
		}},
		{decide.SkipForgotten, crowd},
		{decide.SkipApprovals, func(in *decide.Input) { in.Settings.Holds, in.Held = true, 5 }},
		{decide.SkipApprovals, func(in *decide.Input) { in.Settings.Holds, in.Held, in.UnwrittenTurns = true, 3, 2 }},
		{decide.SkipApprovals, func(in *decide.Input) { in.Prompted, in.Settings.Holds, in.Held = 1, true, 5 }},
		{decide.SkipNone, func(in *decide.Input) { in.Prompted, in.AsksNature, in.Settings.Holds, in.Held = 1, true, true, 5 }},
		{decide.SkipNone, func(in *decide.Input) { in.Settings.Holds, in.Held = true, 4 }},
		{decide.SkipNone, func(in *decide.Input) { in.Held = 99 }}, // where no more will wait
		{decide.SkipPaused, func(in *decide.Input) { in.Paused = &decide.Pause{By: "Kim"} }},
		{decide.SkipPaused, func(in *decide.Input) { in.Prompted, in.Paused = 1, &decide.Pause{By: "Kim"} }},
		{decide.SkipSimulationOff, func(in *decide.Input) { in.Settings.Active, in.Paused = false, &decide.Pause{By: "Kim"} }},
		{decide.SkipMuted, func(in *decide.Input) { in.Cast[0].Muted = &decide.Pause{By: "Kim"} }},
		{decide.SkipMuted, func(in *decide.Input) { in.Prompted, in.Cast[0].Muted = 1, &decide.Pause{By: "Kim"} }},
		{decide.SkipHourlyLimit, func(in *decide.Input) { // another is nearer to speaking
			in.Cast[1].Suspended, in.Cast[1].Muted, in.Cast[0].LastHour = false, &decide.Pause{By: "Kim"}, in.Cast[0].HourlyMax
		}},
		{decide.SkipManual, func(in *decide.Input) { in.Settings.Order = decide.OrderManual }},
		{decide.SkipNone, func(in *decide.Input) { in.Settings.Order, in.Prompted = decide.OrderManual, 1 }},
		{decide.SkipForgotten, func(in *decide.Input) { // that it would have to wait is no reason to keep it
			crowd(in)
			in.UnwrittenTurns = in.Settings.MaxUnwrittenTurns
		}},
		{decide.SkipSimulationOff, func(in *decide.Input) {
			crowd(in)
			in.Settings.Active = false
		}},
		{decide.SkipAnswered, func(in *decide.Input) {
			crowd(in)
			in.Answering = []decide.Answer{{Message: 1}}
		}},
		{decide.SkipNone, func(in *decide.Input) {
			crowd(in)
			in.Waiting = in.Waiting[1:]
		}},
		{decide.SkipNone, func(in *decide.Input) { in.PersonAnswers, in.ChatAnswers = 1000, 1000 }}, // nobody asks
		{decide.SkipNone, func(in *decide.Input) {
			in.Settings.PersonAnswers, in.Settings.ChatAnswers, in.Settings.ChatPerDay = 0, 0, 0
			in.Prompted, in.PersonAnswers, in.ChatAnswers, in.ChatToday = 1, 1e6, 1e6, 1e6
		}},
		{decide.SkipNone, func(in *decide.Input) { in.Prompted = 1 }},
	} {
		in := quiet("Hello.")
		c.change(&in)
		d := decide.Decide(in)
		if d.Skip != c.want || !d.Next.After(in.Now) {
			t.Errorf("skip %v, next in %v, want %v", d.Skip, d.Next.Sub(in.Now), c.want)
		}
	}
	names := map[string]bool{}
	for _, s := range decide.Skips() {
		names[s.String()] = true
	}
	if len(names) != len(decide.Skips()) || names["skip_0"] {
		t.Errorf("the reasons' names are not distinct: %v", names)
	}
}

// crowd is a prompt behind which as many wait as may.
func crowd(in *decide.Input) {
	in.Prompted = 1
	for range in.Settings.MaxWaiting {
		in.Waiting = append(in.Waiting, decide.Waiting{Message: 2})
	}
}

func TestOneAnswerGoesToTwoPeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*decide.Input)
		want   bool
	}{
		{"two ask", func(*decide.Input) {}, true},
		{"nobody else waits", func(in *decide.Input) { in.Waiting = nil }, false},
		{"the other may get none", func(in *decide.Input) { in.Waiting[0].MayJoin = false }, false},
		{"the other's message is gone", func(in *decide.Input) { in.Waiting[0].Message = 9 }, false},
		{"the other asked long after", func(in *decide.Input) { in.Recent[1].At = in.Recent[0].At.Add(61 * time.Second) }, false},
		{"the other has an answer", func(in *decide.Input) { in.Answering = []decide.Answer{{Message: 2, BotID: 2}} }, false},
		{"the other asked another bot", func(in *decide.Input) { in.Recent[1].Text = "Ben?" }, false},
		{"the other is known to have asked another", func(in *decide.Input) { in.Waiting[0].Addressed = []int64{2} }, false},
		{"both asked this one", func(in *decide.Input) { in.Recent[1].Text = "Anna?" }, true},
		{"the bot can't name the other's", func(in *decide.Input) { in.Chat.Basic, in.Recent[0].Usable = true, []int64{1} }, false},
		{"it is not wanted", func(in *decide.Input) { in.Settings.JointProbability = 0 }, false},
	} {
		in := quiet("And the ending?")
		in.Settings.JointProbability = 1
		in.Recent = append(in.Recent, decide.Message{Number: 2, Author: "Noor", Text: "Which chapter?", At: in.Now})
		in.Prompted, in.Waiting = 1, []decide.Waiting{{Message: 2, MayJoin: true}}
		c.change(&in)
		turn := decide.Decide(in).Turn
		if turn == nil || turn.Target != 1 || turn.Also != map[bool]int64{true: 2}[c.want] {
			t.Errorf("%s: %+v", c.name, turn)
		}
	}
}

func TestTheCastIsAwaited(t *testing.T) {
	t.Parallel()
	in := quiet("Hello.")
	evening, err := hours.Parse("20:00-21:00")
	if err != nil {
		t.Fatal(err)
	}
	in.Cast[0].ActiveHours = []hours.Range{evening}
	opening := time.Date(2026, 5, 6, 20, 0, 0, 0, time.UTC)
	d := decide.Decide(in)
	if gap := d.Next.Sub(opening); gap <= 0 || gap > 6*in.Chat.MeanGap {
		t.Errorf("the next look is at %v, want it soon after %v", d.Next, opening)
	}
}

func TestPrompts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		text   string
		change func(*decide.Input)
		want   []int64 // who may answer
	}{
		{"the group is asked", "Any ideas?", nil, []int64{1, 2, 3}},
		{"one is named", "Ben, any ideas?", nil, []int64{2}},
		{"two are named", "Ben or Clara?", nil, []int64{2, 3}},
		{"one is replied to", "Why?", func(in *decide.Input) { in.Recent[1].ReplyTo = 1 }, []int64{3}},
		{"one is known to be meant", "Why?", func(in *decide.Input) { in.Addressed = []int64{2} }, []int64{2}},
		{"the last speaker is named", "Clara?", func(in *decide.Input) { in.Coming = []int64{3} }, []int64{3}},
		{"the last speaker is not named", "Well?", func(in *decide.Input) { in.Coming = []int64{3} }, []int64{1, 2}},
		{"only one can name it", "Well?", func(in *decide.Input) { in.Chat.Basic, in.Recent[1].Usable = true, []int64{1} }, []int64{1}},
	} {
		in := busy(3)
		in.Recent = []decide.Message{
			{Number: 1, BotID: 3, Author: "Clara", Text: "Yes.", At: in.Now},
			{Number: 2, Author: "Mira", Text: c.text, At: in.Now},
			{Number: 3, Author: "Noor", Text: "Hi Anna", At: in.Now},
		}
		in.Prompted = 2
		if c.change != nil {
			c.change(&in)
		}
		got := map[int64]bool{}
		turns(t, in, 300, func(d decide.Decision) {
			if d.Turn.Kind != decide.KindReply || d.Turn.Target != 2 {
				t.Fatalf("%s: a %v to %d", c.name, d.Turn.Kind, d.Turn.Target)
			}
			got[d.Turn.BotID] = true
		})
		if len(got) != len(c.want) || slices.ContainsFunc(c.want, func(id int64) bool { return !got[id] }) {
			t.Errorf("%s: answered by %v, want %v", c.name, got, c.want)
		}
	}
}

func TestWhoIsInterestedAnswersTheGroup(t *testing.T) {
	t.Parallel()
	in := busy(3)
	for i := range in.Cast {
		in.Cast[i].Interests = nil
	}
	in.Cast[2].Interests = []string{"maps"}
	in.Recent = []decide.Message{{Number: 1, Author: "Mira", Text: "Did anybody see a map?", At: in.Now}}
	in.Prompted = 1
	hits := 0
	turns(t, in, draws, func(d decide.Decision) { hits += one(d.Turn.BotID == 3) })
	share(t, "whom it interests", hits, draws, 0.5)
}
