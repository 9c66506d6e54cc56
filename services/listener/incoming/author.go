package incoming

import (
	"cmp"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Telegram's accounts that stand for those who act as a chat, for clients that know
// no better: all anonymous administrators share one, all who write as a channel
// another, and all posts of linked channels a third. None of them is anybody.
const (
	groupAnonymous = 1087968824
	channelBot     = 136817688
	linkedChannel  = 777000
)

// who is who acted in a chat: the chat that they acted as, where Telegram tells one,
// and else the account. It is the zero Person where nobody can tell.
func who(u *wireUser, as *wireChat, in wireChat) Person {
	if as != nil && as.ID < 0 {
		return chatAsPerson(as, in)
	}
	switch {
	case u == nil:
		return Person{}
	case u.ID == groupAnonymous:
		return chatAsPerson(&in, in)
	case u.ID == channelBot, u.ID == linkedChannel:
		return Person{}
	}
	return person(u)
}

// chatAsPerson is who acts as a chat. Its username is left out: a bot would
// advertise the channel with it.
func chatAsPerson(c *wireChat, in wireChat) Person {
	return Person{ID: c.ID, Name: cmp.Or(names.Sayable(names.Title(c.Title, names.MaxName)), nobody), Anonymous: c.ID == in.ID}
}

// author is who wrote a message.
func author(m *wireMessage) Person { return who(m.From, m.SenderChat, m.Chat) }
