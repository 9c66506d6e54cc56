package world

import "slices"

// maxQueries is how many callback queries of a bot wait for an answer; the
// oldest go first.
const maxQueries = 64

// AnswerQuery takes a callback query of the bot as answered. It tells whether
// there was one that waited.
func (w *World) AnswerQuery(botID int64, query string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot := w.state.Accounts[botID]
	if bot == nil {
		return false
	}
	i := slices.Index(bot.Queries, query)
	if i < 0 {
		return false
	}
	bot.Queries = slices.Delete(bot.Queries, i, i+1)
	return true
}

// asked notes a callback query that a bot is told of.
func (a *account) asked(query string) {
	if a.Queries = append(a.Queries, query); len(a.Queries) > maxQueries {
		a.Queries = slices.Delete(a.Queries, 0, 1)
	}
}
