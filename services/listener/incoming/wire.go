package incoming

// These are objects of the Bot API, with the fields that are read. Other fields are
// ignored, whatever they hold.
type (
	wireUpdate struct {
		ID      int64        `json:"update_id"`
		Message *wireMessage `json:"message"`
		Edited  *wireMessage `json:"edited_message"`
		Own     *wireChange  `json:"my_chat_member"`
		Press   *wirePress   `json:"callback_query"`
	}

	// wirePress is a press of a button. Telegram gives no more than the chat of an old
	// message.
	wirePress struct {
		ID      string       `json:"id"`
		From    *wireUser    `json:"from"`
		Message *wireMessage `json:"message"`
		Data    string       `json:"data"`
	}

	wireChat struct {
		ID    int64  `json:"id"`
		Type  string `json:"type"`
		Title string `json:"title"`
	}

	wireUser struct {
		ID        int64  `json:"id"`
		IsBot     bool   `json:"is_bot"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Username  string `json:"username"`
	}

	wireMessage struct {
		ID              int64        `json:"message_id"`
		From            *wireUser    `json:"from"`
		SenderChat      *wireChat    `json:"sender_chat"`
		Chat            wireChat     `json:"chat"`
		Date            int64        `json:"date"`
		EditDate        int64        `json:"edit_date"`
		Forwarded       bool         `json:"is_automatic_forward"`
		ReplyTo         *wireReply   `json:"reply_to_message"`
		Text            string       `json:"text"`
		Entities        []wireEntity `json:"entities"`
		Caption         string       `json:"caption"`
		CaptionEntities []wireEntity `json:"caption_entities"`

		NewTitle  string `json:"new_chat_title"`
		MovedTo   int64  `json:"migrate_to_chat_id"`
		MovedFrom int64  `json:"migrate_from_chat_id"`
		wireMedia
	}

	// wireMedia holds the contents other than text. Only their presence matters.
	wireMedia struct {
		Animation present `json:"animation"`
		Audio     present `json:"audio"`
		Contact   present `json:"contact"`
		Dice      present `json:"dice"`
		Document  present `json:"document"`
		Location  present `json:"location"`
		Photo     present `json:"photo"`
		Poll      present `json:"poll"`
		Sticker   present `json:"sticker"`
		Story     present `json:"story"`
		Video     present `json:"video"`
		VideoNote present `json:"video_note"`
		Voice     present `json:"voice"`
	}

	wireReply struct {
		ID         int64     `json:"message_id"`
		From       *wireUser `json:"from"`
		SenderChat *wireChat `json:"sender_chat"`
		Date       int64     `json:"date"`
		Text       string    `json:"text"`
	}

	wireEntity struct {
		Type   string    `json:"type"`
		Offset int       `json:"offset"`
		Length int       `json:"length"`
		User   *wireUser `json:"user"`
	}

	wireChange struct {
		Chat wireChat   `json:"chat"`
		Date int64      `json:"date"`
		New  wireMember `json:"new_chat_member"`
	}

	wireMember struct {
		User     *wireUser `json:"user"`
		Status   string    `json:"status"`
		IsMember bool      `json:"is_member"`
		// CanSend is set for restricted members only.
		CanSend bool `json:"can_send_messages"`
	}
)

// present tells whether a field is present and not null.
type present bool

// UnmarshalJSON never fails.
func (p *present) UnmarshalJSON(raw []byte) error {
	*p = string(raw) != "null"
	return nil
}

// kind returns the name of a content other than text; empty if there is none that is known.
// An animation is a document too, so it comes first.
func (m *wireMedia) kind() string {
	for _, k := range []struct {
		there present
		name  string
	}{
		{m.Animation, "animation"},
		{m.Audio, "audio"},
		{m.Contact, "contact"},
		{m.Dice, "dice"},
		{m.Document, "document"},
		{m.Location, "location"},
		{m.Photo, "photo"},
		{m.Poll, "poll"},
		{m.Sticker, "sticker"},
		{m.Story, "story"},
		{m.Video, "video"},
		{m.VideoNote, "video"},
		{m.Voice, "voice message"},
	} {
		if k.there {
			return k.name
		}
	}
	return ""
}
