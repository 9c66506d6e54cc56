package botapi

import (
	"encoding/json"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// The objects of the Bot API, with the fields that occur here, in the order in
// which the original writes them.

type user struct {
	ID        int64  `json:"id"`
	IsBot     bool   `json:"is_bot"`
	FirstName string `json:"first_name"`
	Username  string `json:"username,omitempty"`
}

// me is a bot as it sees itself.
type me struct {
	user

	CanJoinGroups           bool `json:"can_join_groups"`
	CanReadAllGroupMessages bool `json:"can_read_all_group_messages"`
	SupportsInlineQueries   bool `json:"supports_inline_queries"`
	CanConnectToBusiness    bool `json:"can_connect_to_business"`
	HasMainWebApp           bool `json:"has_main_web_app"`
}

type chat struct {
	ID        int64  `json:"id"`
	FirstName string `json:"first_name,omitempty"` // of a private chat's person
	Title     string `json:"title,omitempty"`
	Username  string `json:"username,omitempty"`
	Type      string `json:"type"`
	IsForum   bool   `json:"is_forum,omitempty"`
}

type message struct {
	MessageID       int64    `json:"message_id"`
	From            *user    `json:"from,omitempty"`
	SenderChat      *chat    `json:"sender_chat,omitempty"`
	Chat            chat     `json:"chat"`
	Date            int64    `json:"date"`
	EditDate        int64    `json:"edit_date,omitempty"`
	MessageThreadID int64    `json:"message_thread_id,omitempty"`
	ReplyToMessage  *message `json:"reply_to_message,omitempty"`
	IsTopicMessage  bool     `json:"is_topic_message,omitempty"`
	content
	ReplyMarkup json.RawMessage `json:"reply_markup,omitempty"`

	NewChatMembers    []user `json:"new_chat_members,omitempty"`
	LeftChatMember    *user  `json:"left_chat_member,omitempty"`
	NewChatTitle      string `json:"new_chat_title,omitempty"`
	MigrateToChatID   int64  `json:"migrate_to_chat_id,omitempty"`
	MigrateFromChatID int64  `json:"migrate_from_chat_id,omitempty"`
}

type reactionType struct {
	Type          string `json:"type"`
	Emoji         string `json:"emoji,omitempty"`
	CustomEmojiID string `json:"custom_emoji_id,omitempty"`
}

func userOf(a world.Account) *user {
	return &user{ID: a.ID, IsBot: a.Bot, FirstName: a.Name, Username: a.Username}
}

func meOf(a world.Account) me {
	return me{user: *userOf(a), CanJoinGroups: true, CanReadAllGroupMessages: !a.Privacy}
}

func chatOf(c world.Chat) chat {
	if p := c.Person; p != nil {
		return chat{ID: p.ID, FirstName: p.Name, Username: p.Username, Type: c.Kind}
	}
	return chat{ID: c.ID, Title: c.Title, Type: c.Kind, IsForum: len(c.Topics) > 0}
}

func messageOf(p world.Post) *message {
	m := &message{
		MessageID: p.ID, From: userOf(p.From), Chat: chatOf(p.Chat), Date: p.SentAt.Unix(),
		MessageThreadID: p.Thread, IsTopicMessage: p.Thread != 0,
		content: contentOf(p.Content), ReplyMarkup: p.Markup,
	}
	if !p.EditedAt.IsZero() {
		m.EditDate = p.EditedAt.Unix()
	}
	if p.ReplyTo != nil {
		m.ReplyToMessage = messageOf(*p.ReplyTo)
	}
	if p.Service == nil {
		return m
	}
	for _, a := range p.Joined {
		m.NewChatMembers = append(m.NewChatMembers, *userOf(a))
	}
	if p.Left != nil {
		m.LeftChatMember = userOf(*p.Left)
	}
	m.NewChatTitle = p.Service.Title
	m.MigrateToChatID, m.MigrateFromChatID = p.Service.MigrateTo, p.Service.MigrateFrom
	return m
}

func reactionsOf(emoji string) []reactionType {
	if emoji == "" {
		return []reactionType{}
	}
	return []reactionType{{Type: "emoji", Emoji: emoji}}
}

// update is an update with the one field that its kind fills.
type update struct {
	UpdateID        int64            `json:"update_id"`
	Message         *message         `json:"message,omitempty"`
	EditedMessage   *message         `json:"edited_message,omitempty"`
	MessageReaction *messageReaction `json:"message_reaction,omitempty"`
	CallbackQuery   *callbackQuery   `json:"callback_query,omitempty"`
	MyChatMember    *memberChange    `json:"my_chat_member,omitempty"`
	ChatMember      *memberChange    `json:"chat_member,omitempty"`
}

type messageReaction struct {
	Chat        chat           `json:"chat"`
	MessageID   int64          `json:"message_id"`
	User        *user          `json:"user,omitempty"`
	Date        int64          `json:"date"`
	OldReaction []reactionType `json:"old_reaction"`
	NewReaction []reactionType `json:"new_reaction"`
}

type callbackQuery struct {
	ID           string   `json:"id"`
	From         *user    `json:"from"`
	Message      *message `json:"message,omitempty"`
	ChatInstance string   `json:"chat_instance"`
	Data         string   `json:"data,omitempty"`
}

type memberChange struct {
	Chat          chat   `json:"chat"`
	From          *user  `json:"from"`
	Date          int64  `json:"date"`
	OldChatMember member `json:"old_chat_member"`
	NewChatMember member `json:"new_chat_member"`
}

func updateOf(e world.Event) update {
	u := update{UpdateID: e.ID}
	var shown *message
	if e.Post != nil {
		shown = messageOf(*e.Post)
	}
	switch e.Kind {
	case world.KindMessage:
		u.Message = shown
	case world.KindEdited:
		u.EditedMessage = shown
	case world.KindReaction:
		u.MessageReaction = &messageReaction{
			Chat: chatOf(e.In), MessageID: e.MsgID, User: userOf(e.Actor), Date: e.At.Unix(),
			OldReaction: reactionsOf(e.OldEmoji), NewReaction: reactionsOf(e.NewEmoji),
		}
	case world.KindCallback:
		u.CallbackQuery = &callbackQuery{
			ID: e.Query, From: userOf(e.Actor), Message: shown, ChatInstance: chatInstance(e.In.ID), Data: e.Data,
		}
	case world.KindMyMember:
		u.MyChatMember = changeOf(e)
	case world.KindMember:
		u.ChatMember = changeOf(e)
	}
	return u
}

func changeOf(e world.Event) *memberChange {
	return &memberChange{
		Chat: chatOf(e.In), From: userOf(e.Actor), Date: e.At.Unix(),
		OldChatMember: memberOf(world.Member{Account: e.Subject, Role: e.OldRole}),
		NewChatMember: memberOf(world.Member{Account: e.Subject, Role: e.NewRole}),
	}
}
