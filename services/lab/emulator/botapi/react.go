package botapi

func (a *API) setMessageReaction(c *call) (effect, error) {
	chatID, err := c.params.chat()
	if err != nil {
		return nil, err
	}
	emoji, err := c.params.reaction()
	if err != nil {
		return nil, err
	}
	id := c.params.integer("message_id")
	if err := a.World.CheckReact(c.bot.ID, chatID, id, emoji); err != nil {
		return nil, err
	}
	return func() (answer, error) {
		changed, err := a.World.React(c.cause(), c.bot.ID, chatID, id, emoji)
		if err != nil {
			return answer{}, err
		}
		did := reacted
		switch {
		case !changed:
			did = unchanged
		case emoji == "":
			did = unreacted
		}
		reply := done(true, did)
		reply.message = id
		return reply, nil
	}, nil
}

// reaction reads the one emoji that a bot may set; "" takes it away.
func (p params) reaction() (string, error) {
	var types []reactionType
	if _, err := p.structure("reaction", &types); err != nil {
		return "", badRequest("can't parse reaction types JSON object")
	}
	if len(types) == 0 {
		return "", nil
	}
	// Bots set one reaction at most, as they have no Premium.
	if len(types) > 1 {
		return "", badRequest("REACTIONS_TOO_MANY")
	}
	switch types[0].Type {
	case "emoji":
		if types[0].Emoji == "" {
			return "", badRequest("REACTION_EMPTY")
		}
		return types[0].Emoji, nil
	case "custom_emoji", "paid":
		return "", badRequest("REACTION_INVALID")
	default:
		return "", badRequest("can't parse reaction types JSON object: invalid reaction type specified")
	}
}

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
