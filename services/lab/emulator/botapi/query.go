package botapi

// answerCallbackQuery accepts each query once, as long as the world remembers
// it.
func (a *API) answerCallbackQuery(c *call) (effect, error) {
	id := c.params.text("callback_query_id")
	return func() (answer, error) {
		if !a.World.AnswerQuery(c.bot.ID, id) {
			return answer{}, badRequest("query is too old and response timeout expired or query ID is invalid")
		}
		return done(true, set), nil
	}, nil
}
