package settings

import "time"

func global() []Scope     { return []Scope{Global} }
func globalChat() []Scope { return []Scope{Global, Chat} }

// The settings of the planner.
//
//nolint:gochecknoglobals // an immutable table: keys hold no values
var (
	SimulationActive = boolKey(spec{"simulation_active", "Whether turns are planned. A chat's own value counts only while the global one is true.", globalChat()}, true)

	ScaleFactor      = floatKey(spec{"scale_factor", "Divides the gaps between turns.", globalChat()}, 1, 0.01, 100)
	PrimeHoursBoost  = boolKey(spec{"prime_hours_boost", "Whether chats are livelier in prime_hours.", globalChat()}, true)
	PrimeHours       = hoursKey(spec{"prime_hours", "When chats are livelier, on the chat's clock; none is never.", globalChat()}, "09:30-12:00", "14:00-18:00")
	PrimeHoursFactor = floatKey(spec{"prime_hours_factor", "Multiplies the gaps in prime_hours.", globalChat()}, 0.6, 0.1, 1)
	MinGap           = durationKey(spec{"min_gap", "Shortest gap between two turns of a chat.", globalChat()}, time.Second, 0, time.Hour)
	MaxGapFactor     = floatKey(spec{"max_gap_factor", "Longest gap, in mean gaps.", globalChat()}, 6, 1, 100)

	MaxMessagesPerMinute       = intKey(spec{"max_msgs_per_min", "Most messages that are planned in a chat in a minute, reactions not counted. Telegram takes no more than 20 of one bot in one group.", globalChat()}, 20, 1, 60)
	GlobalMaxMessagesPerMinute = intKey(spec{"global_max_msgs_per_min", "Most messages that are planned in all chats together in a minute; 0 is no limit.", global()}, 0, 0, 1_000_000)
	MaxMessagesPerDay          = intKey(spec{"max_msgs_per_day", "Most messages that are planned in a chat on a day (UTC), answers included, reactions not counted; 0 is no limit.", globalChat()}, 10_000, 0, 1_000_000)
	PersonMaxAnswersPerHour    = intKey(spec{"person_max_answers_per_hour", "Most answers that one person gets in any hour, in all chats together, by asking, mentioning or replying; what they ask beyond it gets none. 0 is no limit.", global()}, 20, 0, 100_000)
	MaxAnswersPerHour          = intKey(spec{"max_answers_per_hour", "Most answers that the people of a chat get in any hour, all together; 0 is no limit.", globalChat()}, 60, 0, 100_000)
	MaxUnwrittenTurns          = intKey(spec{"max_unwritten_turns", "Most messages of a chat whose texts may be unwritten; at that, no more turns are planned. Those that wait for Telegram do not count.", globalChat()}, 4, 1, 100)
	TurnTTL                    = durationKey(spec{"turn_ttl", "How long a turn may take. After that it is dropped, never sent late.", globalChat()}, 2*time.Minute, 5*time.Second, time.Hour)

	HourlyMinBoost = floatKey(spec{"hourly_min_boost", "Multiplies the chance of a bot that is below its hourly minimum.", globalChat()}, 3, 1, 100)
	AddressedBoost = floatKey(spec{"addressed_boost", "Multiplies the chance of a bot that the last message names or answers.", globalChat()}, 3, 1, 100)

	ReactionProbability    = probability(spec{"short_reaction_probability", "Probability that a turn is a reaction.", globalChat()}, 0.2)
	ReplyProbability       = probability(spec{"reply_probability", "Probability that a turn after a person's message is a reply, if it is no reaction.", globalChat()}, 0.65)
	ReplyToBotsProbability = probability(spec{"reply_to_bots_probability", "The same after a bot's message.", globalChat()}, 0.5)
	MentionProbability     = probability(spec{"mention_probability", "Probability that a reply names whom it answers.", globalChat()}, 0.35)
	MentionAtStart         = probability(spec{"mention_at_start_probability", "Probability that the name stands at the start, not at the end.", globalChat()}, 0.6)
	NewsProbability        = probability(spec{"news_trigger_probability", "Probability that a new message takes up a headline on its topic, if there is one.", globalChat()}, 0.25)

	ReplyWindow    = intKey(spec{"reply_window", "How many messages back a reply may go.", globalChat()}, 30, 1, 50)
	ReactionWindow = intKey(spec{"reaction_window", "How many messages back a reaction may go.", globalChat()}, 10, 1, 50)
	TopicWindow    = intKey(spec{"topic_window", "How many messages back count for the choice of a topic.", globalChat()}, 15, 0, 50)
	ReplyMaxAge    = durationKey(spec{"reply_max_age", "How old a message may be that is replied or reacted to.", globalChat()}, 24*time.Hour, time.Minute, 30*24*time.Hour)
	CooldownFilter = boolKey(spec{"cooldown_filter_enabled", "Whether bots stay off topics on which their stance has a cooldown.", globalChat()}, true)

	LengthShort  = floatKey(spec{"message_length_short", "Weight of short messages, of one or two sentences. The three weights need not add up to 1.", globalChat()}, 0.55, 0, 1)
	LengthMedium = floatKey(spec{"message_length_medium", "Weight of messages of two or three sentences.", globalChat()}, 0.35, 0, 1)
	LengthLong   = floatKey(spec{"message_length_long", "Weight of messages of three or four sentences.", globalChat()}, 0.1, 0, 1)

	PersonaRefreshMessages = intKey(spec{"persona_refresh_interval", "After how many messages of it, among the chat's last 50, a bot is reminded of its persona; 0 is never.", globalChat()}, 8, 0, 50)
	PersonaRefreshAfter    = durationKey(spec{"persona_refresh_after", "After what time a bot is reminded of its persona; 0 is never.", globalChat()}, 30*time.Minute, 0, 7*24*time.Hour)

	ReactionMode = enumKey(spec{"reaction_mode", "How reactions are made: native, as a message where Telegram refuses, always as a message, or not at all.", globalChat()},
		"native_then_message", "native", "native_then_message", "message", "off")
)

// All is the table, in the order in which it is shown.
func All() []*Definition {
	return []*Definition{
		SimulationActive.Definition,
		ScaleFactor.Definition, PrimeHoursBoost.Definition, PrimeHours.Definition, PrimeHoursFactor.Definition,
		MinGap.Definition, MaxGapFactor.Definition,
		MaxMessagesPerMinute.Definition, GlobalMaxMessagesPerMinute.Definition, MaxMessagesPerDay.Definition,
		PersonMaxAnswersPerHour.Definition, MaxAnswersPerHour.Definition, MaxUnwrittenTurns.Definition, TurnTTL.Definition,
		HourlyMinBoost.Definition, AddressedBoost.Definition,
		ReactionProbability.Definition, ReplyProbability.Definition, ReplyToBotsProbability.Definition,
		MentionProbability.Definition, MentionAtStart.Definition, NewsProbability.Definition,
		ReplyWindow.Definition, ReactionWindow.Definition, TopicWindow.Definition, ReplyMaxAge.Definition, CooldownFilter.Definition,
		LengthShort.Definition, LengthMedium.Definition, LengthLong.Definition,
		PersonaRefreshMessages.Definition, PersonaRefreshAfter.Definition,
		ReactionMode.Definition,
	}
}
