package telegram

import (
	"context"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// look makes a call that has a result and no effect.
func (c *Client) look(ctx context.Context, token secret.String, method string, params, result any) Outcome {
	return c.invoke(ctx, &Call{Method: method, Token: token, Params: params, Result: result, ResultOnly: true})
}

// Me is a bot's description by Telegram.
type Me struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Name     string `json:"first_name"`
	// ReadsAll says that privacy mode is off: the bot gets all messages of its groups, not
	// only those addressed to it.
	ReadsAll bool `json:"can_read_all_group_messages"`
}

// GetMe returns the bot of a token. Me is filled if the outcome is Done.
func (c *Client) GetMe(ctx context.Context, token secret.String) (Me, Outcome) {
	var me Me
	out := c.look(ctx, token, "getMe", nil, &me)
	return me, out
}

// ChatInfo describes a chat as a bot sees it.
type ChatInfo struct {
	ID    int64
	Kind  string // private, group, supergroup or channel
	Title string
	// AvailableReactions are the emoji allowed in the chat: nil for all, empty for none.
	// Custom emoji, which bots can't use, are left out.
	AvailableReactions []string
	// SendClosed and ReactClosed say that the group's default permissions forbid members
	// other than administrators to send or to react. Some groups are closed at night.
	SendClosed, ReactClosed bool
}

// GetChat returns a chat's description. ChatInfo is filled if the outcome is Done.
func (c *Client) GetChat(ctx context.Context, token secret.String, chatID int64) (ChatInfo, Outcome) {
	// The library's type fails to decode if the chat allows a reaction of a type that is
	// newer than the library.
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
	// An old server doesn't send these permissions; then they count as granted.
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

// Values of Member.Status.
const (
	Creator       = "creator"
	Administrator = "administrator"
	Left          = "left"
	Kicked        = "kicked"
	Restricted    = "restricted"
)

// Member is a user's status in a chat.
type Member struct {
	// Status is creator, administrator, member, restricted, left or kicked.
	Status string `json:"status"`
	// Present, CanSend and CanReact are set for restricted members only.
	Present bool `json:"is_member"`
	CanSend bool `json:"can_send_messages"`
	// CanReact is nil if the server is too old to send it.
	CanReact *bool `json:"can_react_to_messages"`
}

// Administers reports whether the member is an administrator of the chat.
func (m Member) Administers() bool { return m.Status == Creator || m.Status == Administrator }

// MaySpeak reports whether the member may send messages in a chat with these default
// permissions. They don't apply to administrators.
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

// MayReact reports whether the member may set reactions.
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

// GetMember returns a user's status in a chat. Member is filled if the outcome is Done.
func (c *Client) GetMember(ctx context.Context, token secret.String, chatID, userID int64) (Member, Outcome) {
	var m Member
	out := c.look(ctx, token, "getChatMember", &bot.GetChatMemberParams{ChatID: chatID, UserID: userID}, &m)
	return m, out
}
