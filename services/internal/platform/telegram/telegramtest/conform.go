package telegramtest

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/reaction"
)

// Place describes a Bot API for Conform. The ids are Telegram's.
type Place struct {
	URL string
	// Ada and Bob are tokens of bots. They are members of all groups unless noted
	// otherwise.
	Ada, Bob secret.String
	// Supergroup and Group allow all reactions.
	Supergroup, Group int64
	// Picky is a supergroup that allows only 👍 and 🔥.
	Picky int64
	// Mute is a supergroup that allows no reaction.
	Mute int64
	// Lost is a supergroup that kicked Ada.
	Lost int64
	// Old is a basic group that has become a supergroup.
	Old int64
}

// Conform checks that the client understands a Bot API's responses. Tests run it on the
// stand-ins for Telegram. It can also run on Telegram: it needs about 100 calls.
func Conform(t *testing.T, place Place) {
	t.Helper()
	cfg := telegram.DefaultConfig()
	cfg.URL = place.URL
	client, err := telegram.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	c := conformance{Place: place, ctx: ctx, client: client}
	t.Run("bots", c.bots)
	t.Run("chats", c.chats)
	t.Run("messages", c.messages)
	t.Run("replies", c.replies)
	t.Run("edits", c.edits)
	t.Run("reactions", c.reactions)
	t.Run("restricted reactions", c.restricted)
	t.Run("typing", c.typing)
	t.Run("lost chats", c.lost)
	t.Run("upgraded group", c.upgraded)
}

type conformance struct {
	Place
	ctx    context.Context //nolint:containedctx // it is the suite's
	client *telegram.Client
}

func (c *conformance) say(t *testing.T, token secret.String, chat int64, text string) int64 {
	t.Helper()
	out := c.client.SendMessage(c.ctx, token, telegram.Message{ChatID: chat, Text: text})
	if out.Kind != telegram.Done || out.MessageID <= 0 {
		t.Fatalf("%q in %d: %+v", text, chat, out)
	}
	return out.MessageID
}

// want checks the kind of an outcome.
func want(t *testing.T, what string, out telegram.Outcome, kind telegram.Kind) {
	t.Helper()
	if out.Kind != kind {
		t.Errorf("%s: %+v, want %v", what, out, kind)
	}
}

func (c *conformance) bots(t *testing.T) {
	for name, token := range map[string]secret.String{"Ada": c.Ada, "Bob": c.Bob} {
		me, out := c.client.GetMe(c.ctx, token)
		want(t, name, out, telegram.Done)
		// A token begins with its bot's id.
		if id := strconv.FormatInt(me.ID, 10); me.Username == "" || !strings.HasPrefix(token.Reveal(), id+":") {
			t.Errorf("%s is %+v", name, me)
		}
	}
	number, _, _ := strings.Cut(c.Ada.Reveal(), ":")
	for _, wrong := range []string{number + ":AAWrongKeyOfThirtyFiveCharacters_-xx", number} {
		_, out := c.client.GetMe(c.ctx, secret.New(wrong))
		want(t, "a wrong token", out, telegram.PermanentBot)
		want(t, "a message by a wrong token", c.client.SendMessage(c.ctx, secret.New(wrong), telegram.Message{ChatID: c.Supergroup, Text: "x"}), telegram.PermanentBot)
	}
}

func (c *conformance) chats(t *testing.T) {
	for _, tc := range []struct {
		id        int64
		kind      string
		reactions []string
	}{
		{c.Supergroup, "supergroup", nil},
		{c.Group, "group", nil},
		{c.Picky, "supergroup", []string{"👍", "🔥"}},
		{c.Mute, "supergroup", []string{}},
	} {
		info, out := c.client.GetChat(c.ctx, c.Ada, tc.id)
		want(t, "getChat", out, telegram.Done)
		if info.ID != tc.id || info.Kind != tc.kind || info.Title == "" {
			t.Errorf("%d: %+v", tc.id, info)
		}
		if diff := cmp.Diff(tc.reactions, info.AvailableReactions); diff != "" {
			t.Errorf("the reactions of %d:\n%s", tc.id, diff)
		}
	}
	_, out := c.client.GetChat(c.ctx, c.Ada, -1)
	want(t, "a chat that isn't there", out, telegram.PermanentMembership)
}

func (c *conformance) messages(t *testing.T) {
	for _, chat := range []int64{c.Supergroup, c.Group} {
		first := c.say(t, c.Ada, chat, "hello")
		for _, text := range []string{
			"<b>not</b> *markup* _at_ [all](x) `ok` \\ & 5 < 6", "two\nlines", "привет, 世界, 🎈👨‍👩‍👧", strings.Repeat("a", telegram.MaxText),
		} {
			next := c.say(t, c.Ada, chat, text)
			if next <= first {
				t.Errorf("message %d came after %d", next, first)
			}
			first = next
		}
		for _, text := range []string{"", " \n", strings.Repeat("a", telegram.MaxText+1)} {
			want(t, "an impossible text", c.client.SendMessage(c.ctx, c.Ada, telegram.Message{ChatID: chat, Text: text}), telegram.PermanentAction)
		}
	}
}

func (c *conformance) replies(t *testing.T) {
	for _, chat := range []int64{c.Supergroup, c.Group} {
		id := c.say(t, c.Ada, chat, "a question")
		want(t, "a reply", c.client.SendMessage(c.ctx, c.Ada, telegram.Message{ChatID: chat, Text: "yes", ReplyTo: id}), telegram.Done)
		out := c.client.SendMessage(c.ctx, c.Ada, telegram.Message{ChatID: chat, Text: "yes", ReplyTo: id + 100_000})
		want(t, "a reply to nothing", out, telegram.PermanentAction)
		if !out.ReplyNotFound {
			t.Errorf("a reply to nothing: %+v", out)
		}
	}
	for _, file := range []string{"", "no file", "CAACAgIAAxkBAAIBYWZ", "https://example.org/sticker.webp"} {
		want(t, "a sticker of a wrong file", c.client.SendSticker(c.ctx, c.Ada, telegram.Sticker{ChatID: c.Group, FileID: file}), telegram.PermanentAction)
	}
	// In a supergroup a message has the same id for everybody.
	id := c.say(t, c.Ada, c.Supergroup, "a question")
	want(t, "a reply by another", c.client.SendMessage(c.ctx, c.Bob, telegram.Message{ChatID: c.Supergroup, Text: "no", ReplyTo: id}), telegram.Done)
}

func (c *conformance) edits(t *testing.T) {
	for _, chat := range []int64{c.Supergroup, c.Group} {
		asked := c.client.SendMessage(c.ctx, c.Ada, telegram.Message{ChatID: chat, Text: "?", Buttons: []telegram.Button{{Text: "Yes", Data: "yes"}}})
		want(t, "buttons", asked, telegram.Done)
		long := telegram.Button{Text: "Yes", Data: strings.Repeat("y", 65)}
		want(t, "long data", c.client.SendMessage(c.ctx, c.Ada, telegram.Message{ChatID: chat, Text: "?", Buttons: []telegram.Button{long}}), telegram.PermanentAction)
		edit := telegram.Edit{ChatID: chat, MessageID: asked.MessageID, Text: "?"}
		want(t, "without its buttons", c.client.EditMessage(c.ctx, c.Ada, edit), telegram.Done)
		want(t, "the same again", c.client.EditMessage(c.ctx, c.Ada, edit), telegram.AlreadyDone)
		for _, id := range []int64{0, asked.MessageID + 100_000} {
			edit.MessageID = id
			want(t, "no message", c.client.EditMessage(c.ctx, c.Ada, edit), telegram.PermanentAction)
		}
	}
	want(t, "no query", c.client.AnswerQuery(c.ctx, c.Ada, "1", "?"), telegram.PermanentAction)
}

func (c *conformance) reactions(t *testing.T) {
	id := c.say(t, c.Ada, c.Supergroup, "what do you think?")
	for _, emoji := range append(reaction.All(), "❤\ufe0f", "👍🏽", "👍", "👍", "") {
		want(t, emoji, c.client.SetReaction(c.ctx, c.Bob, telegram.Reaction{ChatID: c.Supergroup, MessageID: id, Emoji: emoji}), telegram.Done)
	}
	own := c.say(t, c.Ada, c.Group, "I like it")
	want(t, "one's own message", c.client.SetReaction(c.ctx, c.Ada, telegram.Reaction{ChatID: c.Group, MessageID: own, Emoji: "🔥"}), telegram.Done)
	for _, emoji := range []string{"👍", ""} {
		out := c.client.SetReaction(c.ctx, c.Ada, telegram.Reaction{ChatID: c.Supergroup, MessageID: id + 100_000, Emoji: emoji})
		want(t, "no message", out, telegram.PermanentAction)
		if out.ReactionInvalid || out.ReplyNotFound || !out.MessageGone {
			t.Errorf("no message: %+v", out)
		}
	}
	want(t, "no reaction", c.client.SetReaction(c.ctx, c.Ada, telegram.Reaction{ChatID: c.Supergroup, MessageID: id}), telegram.Done)
}

func (c *conformance) restricted(t *testing.T) {
	for chat, allowed := range map[int64][]string{c.Picky: {"👍", "🔥"}, c.Mute: {}} {
		id := c.say(t, c.Ada, chat, "what do you think?")
		for _, emoji := range []string{"👍", "🔥", "👎", "🗿"} {
			out := c.client.SetReaction(c.ctx, c.Ada, telegram.Reaction{ChatID: chat, MessageID: id, Emoji: emoji})
			if near, ok := reaction.Nearest(emoji, allowed); ok && near == emoji {
				want(t, emoji, out, telegram.Done)
				continue
			}
			want(t, emoji, out, telegram.PermanentAction)
			if !out.ReactionInvalid {
				t.Errorf("%s: %+v", emoji, out)
			}
		}
	}
}

func (c *conformance) typing(t *testing.T) {
	want(t, "typing", c.client.SendTyping(c.ctx, c.Ada, c.Supergroup), telegram.Done)
	want(t, "typing in a basic group", c.client.SendTyping(c.ctx, c.Ada, c.Group), telegram.Done)
}

func (c *conformance) lost(t *testing.T) {
	for name, chat := range map[string]int64{"kicked": c.Lost, "no such chat": -1} {
		want(t, name, c.client.SendMessage(c.ctx, c.Ada, telegram.Message{ChatID: chat, Text: "x"}), telegram.PermanentMembership)
		want(t, name, c.client.SetReaction(c.ctx, c.Ada, telegram.Reaction{ChatID: chat, MessageID: 1, Emoji: "👍"}), telegram.PermanentMembership)
		want(t, name, c.client.SendTyping(c.ctx, c.Ada, chat), telegram.PermanentMembership)
	}
	c.say(t, c.Bob, c.Lost, "only Ada was kicked")
}

func (c *conformance) upgraded(t *testing.T) {
	out := c.client.SendMessage(c.ctx, c.Ada, telegram.Message{ChatID: c.Old, Text: "x"})
	want(t, "a message to the old id", out, telegram.Moved)
	if out.MigrateTo >= 0 {
		t.Fatalf("%+v", out)
	}
	c.say(t, c.Ada, out.MigrateTo, "hello again")
}
