package planner

// Statements are the names of what a planner asks of the database.
func Statements() map[string]string {
	return map[string]string{
		claimDue: "claim due chats", claimChat: "claim a chat", holdPrompt: "hold the prompt", castOf: "load casts", recentOf: "load messages",
		loadOf: "load turns", countAnswers: "count answers", answersTo: "look for answers", countBots: "count bots", lockPerson: "lock the person",
		countOfPerson: "count a person's", countAnswer: "count the answer", writeAnswer: "write the answer", countSkip: "count a skip",
		advanceClocks: "move clocks", nextDue: "look for the next",
	}
}
