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
	ID      int64  `json:"id"`
	Title   string `json:"title"`
	Type    string `json:"type"`
	IsForum bool   `json:"is_forum,omitempty"`
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
