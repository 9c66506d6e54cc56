package settings

import (
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

// The settings of the planner. With scope:"global", a chat can't have a value of its own; package
// schema describes the other tags.
//
//nolint:gochecknoglobals // an immutable table: keys hold no values
var (
	SimulationActive = key[bool]("simulation_active", `default:"true" doc:"Whether turns are planned. A chat's own value counts only while the global one is true."`)

	ScaleFactor      = key[float64]("scale_factor", `default:"1" min:"0.01" max:"100" doc:"Divides the gaps between turns."`)
	PrimeHoursBoost  = key[bool]("prime_hours_boost", `default:"true" doc:"Whether chats are livelier in prime_hours."`)
	PrimeHours       = key[[]hours.Range]("prime_hours", `default:"09:30-12:00,14:00-18:00" entries:"50" want:"at most 50 times HH:MM-HH:MM" doc:"When chats are livelier, on the chat's clock; none is never."`)
	PrimeHoursFactor = key[float64]("prime_hours_factor", `default:"0.6" min:"0.1" max:"1" doc:"Multiplies the gaps in prime_hours."`)
	MinGap           = key[time.Duration]("min_gap", `default:"1s" min:"0s" max:"1h" doc:"Shortest gap between two turns of a chat."`)
	MaxGapFactor     = key[float64]("max_gap_factor", `default:"10" min:"1" max:"100" doc:"Longest gap, in mean gaps."`)
	LivelyGapFactor  = key[float64]("lively_gap_factor", `default:"0.15" calm:"0.25" play:"0.13" min:"0.05" max:"1" doc:"Multiplies the gaps in lively spells. Those in quiet spells are longer, so that the mean stays; 1 is no spells."`)

	MaxMessagesPerMinute       = key[int]("max_msgs_per_min", `default:"20" min:"1" max:"60" doc:"Most messages that are planned in a chat in a minute, reactions not counted. Telegram takes no more than 20 of one bot in one group."`)
	GlobalMaxMessagesPerMinute = key[int]("global_max_msgs_per_min", `default:"0" min:"0" max:"1000000" scope:"global" doc:"Most messages that are planned in all chats together in a minute; 0 is no limit."`)
	MaxMessagesPerDay          = key[int]("max_msgs_per_day", `default:"10000" min:"0" max:"1000000" doc:"Most messages that are planned in a chat on a day (UTC), answers included, reactions not counted; 0 is no limit."`)
	PersonMaxAnswersPerHour    = key[int]("person_max_answers_per_hour", `default:"20" min:"0" max:"100000" scope:"global" doc:"Most answers that one person gets in any hour, in all chats together, by asking, mentioning or replying; what they ask beyond it gets none. 0 is no limit."`)
	MaxAnswersPerHour          = key[int]("max_answers_per_hour", `default:"60" min:"0" max:"100000" doc:"Most answers that the people of a chat get in any hour, all together; 0 is no limit."`)
	MaxUnwrittenTurns          = key[int]("max_unwritten_turns", `default:"4" min:"1" max:"100" doc:"Most messages of a chat whose texts may be unwritten; at that, no more turns are planned. Those that wait for Telegram do not count."`)
	TurnTTL                    = key[time.Duration]("turn_ttl", `default:"2m" min:"5s" max:"1h" doc:"How long a turn may take. After that it is dropped, never sent late."`)

	HourlyMinBoost         = key[float64]("hourly_min_boost", `default:"3" min:"1" max:"100" doc:"Multiplies the chance of a bot that is below its hourly minimum."`)
	MaxWaitingPrompts      = key[int]("max_waiting_prompts", `default:"5" min:"1" max:"100" doc:"Most messages of people that wait for an answer in a chat. Of more the oldest gets none."`)
	JointAnswerProbability = key[float64]("joint_answer_probability", `default:"0.5" min:"0" max:"1" doc:"Probability that one answer goes to two people who asked within a minute, where the second waits, too."`)

	AddressedBoost = key[float64]("addressed_boost", `default:"3" min:"1" max:"100" doc:"Multiplies the chance of a bot that the last message names or answers."`)

	Style                   = key[string]("style", `default:"lively" enum:"calm,lively,debate,play" doc:"What a conversation is like: it changes the defaults of other settings, as they tell."`)
	AdditionProbability     = key[float64]("addition_probability", `default:"0.22" calm:"0.16" debate:"0.24" play:"0.27" min:"0" max:"1" doc:"Probability that a line is by the bot that said the one before. It is higher after a short gap and for the energetic."`)
	MaxRun                  = key[int]("max_run", `default:"3" calm:"2" min:"1" max:"10" doc:"Most lines of one bot in a row, where another could speak."`)
	ExchangeProbability     = key[float64]("exchange_probability", `default:"0.66" debate:"0.75" play:"0.6" min:"0" max:"1" doc:"Probability that a change of speaker leads back to the bot that spoke before."`)
	MaxRally                = key[int]("max_rally", `default:"8" calm:"6" debate:"14" min:"2" max:"50" doc:"Most lines in a row of the same two bots, where another could speak."`)
	FairShare               = key[float64]("fair_share", `default:"0.6" calm:"0.5" min:"0.1" max:"1" doc:"Part of the last 20 lines above which a bot holds back."`)
	FloorPull               = key[float64]("floor_pull", `default:"0.1" min:"0" max:"1" doc:"What each of the last 50 lines that lacks an addition, a change back, a second answer or an answer adds to the probability of the next one; 0 leaves them to chance."`)
	TempoPull               = key[float64]("tempo_pull", `default:"6" min:"0" max:"10" doc:"How strongly a bot is drawn to speak that had less of the last 50 lines than its tempo's part, and held back that had more; 0 is not at all."`)
	SecondAnswerProbability = key[float64]("second_answer_probability", `default:"0.15" calm:"0.14" debate:"0.13" play:"0.16" min:"0" max:"1" doc:"Probability that a bot's line gets a second or third answer."`)
	MinNeed                 = key[float64]("min_need", `default:"7" calm:"9" play:"6" min:"0" max:"50" doc:"Least score of the line to answer; below it the turn is skipped while others' lines are on their way."`)

	ReactionProbability    = key[float64]("short_reaction_probability", `default:"0.2" min:"0" max:"1" doc:"Probability that a turn is a reaction."`)
	ReplyProbability       = key[float64]("reply_probability", `default:"0.65" min:"0" max:"1" doc:"Probability that a turn after a person's message is a reply, if it is no reaction."`)
	ReplyToBotsProbability = key[float64]("reply_to_bots_probability", `default:"0.7" debate:"0.85" play:"0.6" min:"0" max:"1" doc:"The same after a bot's message."`)
	MentionProbability     = key[float64]("mention_probability", `default:"0.35" min:"0" max:"1" doc:"Probability that a reply names whom it answers."`)
	MentionAtStart         = key[float64]("mention_at_start_probability", `default:"0.6" min:"0" max:"1" doc:"Probability that the name stands at the start, not at the end."`)
	NewsProbability        = key[float64]("news_trigger_probability", `default:"0.25" min:"0" max:"1" doc:"Probability that a new message takes up a headline on its topic, if there is one."`)
	BubblesProbability     = key[float64]("bubbles_probability", `default:"0.25" min:"0" max:"1" doc:"Probability that a text may be sent as up to three messages, one after the other, where its writer breaks it."`)

	ReplyWindow    = key[int]("reply_window", `default:"30" min:"1" max:"50" doc:"How many messages back a reply may go."`)
	ReactionWindow = key[int]("reaction_window", `default:"10" min:"1" max:"50" doc:"How many messages back a reaction may go."`)
	TopicWindow    = key[int]("topic_window", `default:"15" min:"0" max:"50" doc:"How many messages back count for the choice of a topic."`)
	ReplyMaxAge    = key[time.Duration]("reply_max_age", `default:"24h" min:"1m" max:"720h" doc:"How old a message may be that is replied or reacted to."`)
	CooldownFilter = key[bool]("cooldown_filter_enabled", `default:"true" doc:"Whether bots stay off topics on which their stance has a cooldown."`)

	LengthShort  = key[float64]("message_length_short", `default:"0.55" min:"0" max:"1" doc:"Weight of short messages, of one or two sentences. The three weights need not add up to 1."`)
	LengthMedium = key[float64]("message_length_medium", `default:"0.35" min:"0" max:"1" doc:"Weight of messages of two or three sentences."`)
	LengthLong   = key[float64]("message_length_long", `default:"0.1" min:"0" max:"1" doc:"Weight of messages of three or four sentences."`)

	PersonaRefreshMessages = key[int]("persona_refresh_interval", `default:"8" min:"0" max:"50" doc:"After how many messages of it, among the chat's last 50, a bot is reminded of its persona; 0 is never."`)
	PersonaRefreshAfter    = key[time.Duration]("persona_refresh_after", `default:"30m" min:"0s" max:"168h" doc:"After what time a bot is reminded of its persona; 0 is never."`)

	SpeakerOrder = key[string]("speaker_order", `default:"planner" enum:"planner,round_robin,manual" doc:"Who speaks unasked: whom the planner's rules choose, each of the cast in turn, or nobody but whom a director lets speak. Answers to people stay as they are."`)

	Approval              = key[string]("approval", `default:"auto" enum:"auto,sample,approve" doc:"Which texts wait for a person before they are sent: none, a sample of them, or all. Who asks whether it is a bot is answered at once, and so are commands."`)
	ApprovalSamplePercent = key[int]("approval_sample_percent", `default:"10" min:"0" max:"100" doc:"How many texts of a hundred are the sample."`)
	ApprovalTTL           = key[time.Duration]("approval_ttl", `default:"1h" min:"1m" max:"24h" doc:"How long a text waits for a person. After that it is dropped."`)
	MaxHeldTexts          = key[int]("max_held_texts", `default:"5" min:"1" max:"100" doc:"Most texts of a chat that wait for a person, or will; at that, no more turns are planned. Who asks whether it is a bot is answered all the same."`)

	KeepDrafts     = key[string]("keep_drafts", `default:"objected" enum:"off,objected,all" doc:"What is kept of how texts were written: nothing, the drafts of texts to which the guard objected or for which a call failed, or all drafts with their prompts. Prompts hold what people said."`)
	KeepDraftsFor  = key[time.Duration]("keep_drafts_for", `default:"168h" min:"1h" max:"720h" doc:"How long drafts and prompts are kept, and never longer than their turns."`)
	ApprovalChat   = key[int]("approval_chat", `default:"0" min:"-9007199254740991" max:"9007199254740991" scope:"global" doc:"Telegram's id of the group of operators, or of the private chat with one, in which texts that wait are shown with buttons; 0 is nowhere but in the console. The cast must not play there."`)
	ApprovalBot    = key[string]("approval_bot", `default:"" max:"64" scope:"global" doc:"Name of the bot that shows them; empty is the first one in that group. A private chat needs one, which the operator has started."`)
	ApprovalPeople = key[string]("approval_people", `default:"" max:"1000" pattern:"^([0-9]+(,[0-9]+)*)?$" want:"numbers with commas between them" scope:"global" doc:"Telegram's ids of who may decide there, with commas between them; nobody else may, administrators neither."`)

	ReactionMode = key[string]("reaction_mode", `default:"native_then_message" enum:"native,native_then_message,message,off" doc:"How reactions are made: native, as a message where Telegram refuses, always as a message, or not at all."`)
)

// Group is a group of related settings.
type Group struct {
	Name     string
	Settings []*Definition
}

// Groups returns the table, in the order in which it is shown.
func Groups() []Group {
	return []Group{
		{"Pace", []*Definition{
			SimulationActive.Definition,
			ScaleFactor.Definition, PrimeHoursBoost.Definition, PrimeHours.Definition, PrimeHoursFactor.Definition,
			MinGap.Definition, MaxGapFactor.Definition, LivelyGapFactor.Definition,
		}},
		{"Limits", []*Definition{
			MaxMessagesPerMinute.Definition, GlobalMaxMessagesPerMinute.Definition, MaxMessagesPerDay.Definition,
			PersonMaxAnswersPerHour.Definition, MaxAnswersPerHour.Definition, MaxUnwrittenTurns.Definition, TurnTTL.Definition,
			MaxWaitingPrompts.Definition, JointAnswerProbability.Definition,
		}},
		{"Who speaks", []*Definition{
			SpeakerOrder.Definition, HourlyMinBoost.Definition, AddressedBoost.Definition,
			Style.Definition, AdditionProbability.Definition, MaxRun.Definition, ExchangeProbability.Definition, MaxRally.Definition, FairShare.Definition,
			FloorPull.Definition, TempoPull.Definition, SecondAnswerProbability.Definition, MinNeed.Definition,
		}},
		{"What a turn is", []*Definition{
			ReactionProbability.Definition, ReactionMode.Definition, ReplyProbability.Definition, ReplyToBotsProbability.Definition,
			MentionProbability.Definition, MentionAtStart.Definition, NewsProbability.Definition, BubblesProbability.Definition,
			ReplyWindow.Definition, ReactionWindow.Definition, TopicWindow.Definition, ReplyMaxAge.Definition, CooldownFilter.Definition,
			LengthShort.Definition, LengthMedium.Definition, LengthLong.Definition,
			PersonaRefreshMessages.Definition, PersonaRefreshAfter.Definition,
		}},
		{"Approval", []*Definition{
			Approval.Definition, ApprovalSamplePercent.Definition, ApprovalTTL.Definition, MaxHeldTexts.Definition,
			ApprovalChat.Definition, ApprovalBot.Definition, ApprovalPeople.Definition,
		}},
		{"What is kept", []*Definition{KeepDrafts.Definition, KeepDraftsFor.Definition}},
	}
}

// All returns the table without its groups.
func All() []*Definition {
	var all []*Definition
	for _, g := range Groups() {
		all = append(all, g.Settings...)
	}
	return all
}
