package telegram

import (
	"context"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// look makes a call for its result only.
func (c *Client) look(ctx context.Context, token secret.String, method string, params, result any) Outcome {
	return c.invoke(ctx, &Call{Method: method, Token: token, Params: params, Result: result, ResultOnly: true})
}

// Me is what Telegram knows of a bot.
type Me struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Name     string `json:"first_name"`
	// ReadsAll tells that privacy mode is off: the bot gets all messages of its
	// groups, not only those that are meant for it.
	ReadsAll bool `json:"can_read_all_group_messages"`
}

// GetMe asks whose token this is. Me is filled if the outcome is Done.
func (c *Client) GetMe(ctx context.Context, token secret.String) (Me, Outcome) {
	var me Me
	out := c.look(ctx, token, "getMe", nil, &me)
	return me, out
}

// ChatInfo is what a bot can see of a chat.
type ChatInfo struct {
	ID    int64
	Kind  string // private, group, supergroup or channel
	Title string
	// AvailableReactions are the emoji allowed in the chat: nil for all, empty
	// for none. Custom emoji, which bots can't add, are left out.
	AvailableReactions []string
	// SendClosed and ReactClosed tell that members who are no administrators may
	// not do so by the group's default permissions. Some groups are closed at night.
	SendClosed, ReactClosed bool
}

// GetChat looks a chat up. ChatInfo is filled if the outcome is Done.
func (c *Client) GetChat(ctx context.Context, token secret.String, chatID int64) (ChatInfo, Outcome) {
	// Not the library's type, which can't be read if the chat allows a reaction
	// of a type that is newer than the library.
	var chat struct {
		ID                 int64  `json:"id"`
		Type               string `json:"type"`
		Title              string `json:"title"`
		AvailableReactions []struct {
			Type  models.ReactionTypeType `json:"type"`
			Emoji string                  `json:"emoji"`
		} `json:"available_reactions"`
		Permissions struct {
			CanSend  *bool `json:"can_send_messages"`
			CanReact *bool `json:"can_react_to_messages"`
		} `json:"permissions"`
	}
	out := c.look(ctx, token, "getChat", &bot.GetChatParams{ChatID: chatID}, &chat)
	info := ChatInfo{ID: chat.ID, Kind: chat.Type, Title: chat.Title}
	// What a server is too old to tell is taken to be allowed.
	info.SendClosed = chat.Permissions.CanSend != nil && !*chat.Permissions.CanSend
	info.ReactClosed = chat.Permissions.CanReact != nil && !*chat.Permissions.CanReact
	if chat.AvailableReactions != nil {
		info.AvailableReactions = []string{}
	}
	for _, r := range chat.AvailableReactions {
		if r.Type == models.ReactionTypeTypeEmoji {
			info.AvailableReactions = append(info.AvailableReactions, r.Emoji)
		}
	}
	return info, out
}

// What a member of a chat is.
const (
	Creator       = "creator"
	Administrator = "administrator"
	Left          = "left"
	Kicked        = "kicked"
	Restricted    = "restricted"
)

// Member is what somebody is in a chat.
type Member struct {
	// Status is creator, administrator, member, restricted, left or kicked.
	Status string `json:"status"`
	// Present, CanSend and CanReact are of restricted members only.
	Present bool `json:"is_member"`
	CanSend bool `json:"can_send_messages"`
	// CanReact is nil where the server is too old to tell.
	CanReact *bool `json:"can_react_to_messages"`
}

// Administers tells whether the member is an administrator of the chat.
func (m Member) Administers() bool { return m.Status == Creator || m.Status == Administrator }

// MaySpeak tells whether the member may send messages in a chat with these
// default permissions, which don't bind administrators.
func (m Member) MaySpeak(in ChatInfo) bool {
	switch m.Status {
	case Left, Kicked:
		return false
	case Restricted:
		return m.Present && m.CanSend && !in.SendClosed
	case Creator, Administrator:
		return true
	}
	return !in.SendClosed
}

// MayReact is the same for reactions.
func (m Member) MayReact(in ChatInfo) bool {
	switch m.Status {
	case Left, Kicked:
		return false
	case Restricted:
		return m.Present && (m.CanReact == nil || *m.CanReact) && !in.ReactClosed
	case Creator, Administrator:
		return true
	}
	return !in.ReactClosed
}

// GetMember asks what somebody is in a chat. Member is filled if the outcome is
// Done.
func (c *Client) GetMember(ctx context.Context, token secret.String, chatID, userID int64) (Member, Outcome) {
	var m Member
	out := c.look(ctx, token, "getChatMember", &bot.GetChatMemberParams{ChatID: chatID, UserID: userID}, &m)
	return m, out
}
