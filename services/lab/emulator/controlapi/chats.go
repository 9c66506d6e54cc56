package controlapi

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func (s *server) listChats(*http.Request) (any, error) {
	chats := []control.Chat{}
	for _, c := range s.World.Chats() {
		if chat, ok := s.chat(c.ID); ok {
			chats = append(chats, chat)
		}
	}
	return chats, nil
}

func (s *server) putChat(r *http.Request) (any, error) {
	var n world.NewChat
	if err := decode(r, &n); err != nil {
		return nil, err
	}
	if n.MigratedTo != 0 || n.MigratedFrom != 0 {
		return nil, badRequest("migrated_to, migrated_from: must be left out; an upgrade sets them")
	}
	_, _, known := s.World.Chat(n.ID)
	made, err := s.World.PutChat(n)
	if err != nil {
		return nil, err
	}
	chat, _ := s.chat(made.ID)
	if known {
		return chat, nil
	}
	return created{chat}, nil
}

func (s *server) start(r *http.Request) (any, error) {
	var in control.Starting
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	made, err := s.World.Start(in.Name, in.Bot)
	if err != nil {
		return nil, err
	}
	chat, _ := s.chat(made.ID)
	return created{chat}, nil
}

func (s *server) showChat(r *http.Request) (any, error) {
	id, err := s.chatOf(r)
	if err != nil {
		return nil, err
	}
	chat, _ := s.chat(id)
	return chat, nil
}

func (s *server) setRole(id int64, n control.NewRole) (any, error) {
	if err := s.World.SetRole(id, n.Who, cmp.Or(n.Role, world.Ordinary)); err != nil {
		return nil, err
	}
	chat, _ := s.chat(id)
	return chat, nil
}

func (s *server) kick(r *http.Request) (any, error) {
	id, err := s.chatOf(r)
	if err != nil {
		return nil, err
	}
	who := pathText(r, "who")
	if _, ok := s.World.Find(who); !ok {
		return nil, notFound("who", who)
	}
	return nil, s.World.SetRole(id, who, world.Kicked)
}

func (s *server) upgrade(r *http.Request) (any, error) {
	id, err := s.chatOf(r)
	if err != nil {
		return nil, err
	}
	next, err := s.World.Upgrade(id)
	if err != nil {
		return nil, err
	}
	chat, _ := s.chat(next.ID)
	return created{chat}, nil
}

func (s *server) chat(id int64) (control.Chat, bool) {
	chat, members, ok := s.World.Chat(id)
	return control.Chat{Chat: chat, Members: list(members)}, ok
}

// inChat is an endpoint for what a body says about the chat in the path.
func inChat[T any](s *server, do func(chat int64, in T) (any, error)) endpoint {
	return func(r *http.Request) (any, error) {
		chat, err := s.chatOf(r)
		if err != nil {
			return nil, err
		}
		var in T
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		return do(chat, in)
	}
}

// chatOf is the id in the path of a chat that exists.
func (s *server) chatOf(r *http.Request) (int64, error) {
	id, err := pathID(r, "chat")
	if err != nil {
		return 0, err
	}
	if _, _, ok := s.World.Chat(id); !ok {
		return 0, notFound("chat", pathText(r, "chat"))
	}
	return id, nil
}

func pathID(r *http.Request, name string) (int64, error) {
	text := pathText(r, name)
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, badValue(name, strconv.Quote(text), "a whole number")
	}
	return id, nil
}

// pathText is a part of the path as it was meant.
func pathText(r *http.Request, name string) string {
	text := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return text // net/http has taken the escapes away
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// newBot is a new bot with its token. No other response contains a token, not even that to a
// request with a token.
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
