package botapi

import "github.com/chorus-cast/chorus/services/lab/emulator/world"

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
