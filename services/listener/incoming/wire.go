package incoming

// The objects of the Bot API with the fields that are read. All others may be
// whatever they are.
type (
	wireUpdate struct {
		ID      int64        `json:"update_id"`
		Message *wireMessage `json:"message"`
		Edited  *wireMessage `json:"edited_message"`
		Own     *wireChange  `json:"my_chat_member"`
		Press   *wirePress   `json:"callback_query"`
	}

	// wirePress has a message that may be too old to be told, but for its chat.
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

	// wireMedia is what a message may hold instead of a text. Only whether it does
	// counts, except for what a sticker stands for.
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
		// CanSend is told of restricted members only.
		CanSend bool `json:"can_send_messages"`
	}
)

// present tells whether a field is there, whatever it holds.
type present bool

// UnmarshalJSON never fails.
func (p *present) UnmarshalJSON(raw []byte) error {
	*p = string(raw) != "null"
	return nil
}

// kind is what a message holds instead of a text; empty for nothing that is
// known. An animation comes as a document, too.
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
