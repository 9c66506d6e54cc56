package controlapi

import (
	"net/http"
	"strings"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// newBot is a bot with its token, the only answer that has one: whoever gives a
// token is not told it again.
type newBot struct {
	world.Account

	Token string `json:"token,omitempty"`
}

func (s *server) listBots(*http.Request) (any, error) {
	return list(s.World.Bots()), nil
}

func (s *server) addBot(r *http.Request) (any, error) {
	var b world.NewBot
	if err := decode(r, &b); err != nil {
		return nil, err
	}
	_, known := s.World.Find("@" + strings.TrimPrefix(b.Username, "@"))
	minted := b.Token == ""
	bot, token, err := s.World.RegisterBot(b)
	if err != nil {
		return nil, err
	}
	switch {
	case known && minted:
		return newBot{Account: bot, Token: token}, nil
	case known:
		return newBot{Account: bot}, nil
	}
	return created{newBot{Account: bot, Token: token}}, nil
}

// list makes an empty list of none, where JSON would say null.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
