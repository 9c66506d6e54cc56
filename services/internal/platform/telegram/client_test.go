package telegram_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram/telegramtest"
)

// Requests contain what the Bot API documents and nothing else: above all no
// allow_sending_without_reply and no parse_mode.
func TestRequests(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		call   func(c *telegram.Client) telegram.Outcome
		method string
		form   url.Values
	}{
		"message": {
			func(c *telegram.Client) telegram.Outcome {
				return c.SendMessage(t.Context(), secret.New(token), telegram.Message{ChatID: -1001234567890, Text: "<b>5 < 6 & \"so\" 🎈\n"})
			},
			"sendMessage",
			url.Values{"chat_id": {"-1001234567890"}, "text": {"<b>5 < 6 & \"so\" 🎈\n"}},
		},
		"reply": {
			func(c *telegram.Client) telegram.Outcome {
				return c.SendMessage(t.Context(), secret.New(token), telegram.Message{ChatID: -5, Text: "yes", ReplyTo: 9007199254740993})
			},
			"sendMessage",
			url.Values{"chat_id": {"-5"}, "text": {"yes"}, "reply_parameters": {`{"message_id":9007199254740993}`}},
		},
		"buttons": {
			func(c *telegram.Client) telegram.Outcome {
				return c.SendMessage(t.Context(), secret.New(token), telegram.Message{ChatID: -5, Text: "?", Buttons: []telegram.Button{{"Yes", "y 1"}, {"No", "n 1"}}})
			},
			"sendMessage",
			url.Values{
				"chat_id": {"-5"}, "text": {"?"},
				"reply_markup": {`{"inline_keyboard":[[{"text":"Yes","callback_data":"y 1"},{"text":"No","callback_data":"n 1"}]]}`},
			},
		},
		"edit": {
			func(c *telegram.Client) telegram.Outcome {
				return c.EditMessage(t.Context(), secret.New(token), telegram.Edit{ChatID: -5, MessageID: 7, Text: "<b>"})
			},
			"editMessageText",
			url.Values{"chat_id": {"-5"}, "message_id": {"7"}, "text": {"<b>"}},
		},
		"an answer to a query": {
			func(c *telegram.Client) telegram.Outcome {
				return c.AnswerQuery(t.Context(), secret.New(token), "12", "Sent.")
			},
			"answerCallbackQuery",
			url.Values{"callback_query_id": {"12"}, "text": {"Sent."}, "show_alert": {"true"}},
		},
		"sticker": {
			func(c *telegram.Client) telegram.Outcome {
				return c.SendSticker(t.Context(), secret.New(token), telegram.Sticker{ChatID: -5, FileID: "CAACAgIAAxkB", ReplyTo: 7})
			},
			"sendSticker",
			url.Values{"chat_id": {"-5"}, "sticker": {"CAACAgIAAxkB"}, "reply_parameters": {`{"message_id":7}`}},
		},
		"reaction": {
			func(c *telegram.Client) telegram.Outcome {
				return c.SetReaction(t.Context(), secret.New(token), telegram.Reaction{ChatID: -5, MessageID: 7, Emoji: "❤\ufe0f"})
			},
			"setMessageReaction",
			url.Values{"chat_id": {"-5"}, "message_id": {"7"}, "reaction": {"[{\"type\":\"emoji\",\"emoji\":\"\u2764\"}]"}},
		},
		"no reaction": {
			func(c *telegram.Client) telegram.Outcome {
				return c.SetReaction(t.Context(), secret.New(token), telegram.Reaction{ChatID: -5, MessageID: 7})
			},
			"setMessageReaction",
			url.Values{"chat_id": {"-5"}, "message_id": {"7"}},
		},
		"typing": {
			func(c *telegram.Client) telegram.Outcome { return c.SendTyping(t.Context(), secret.New(token), -5) },
			"sendChatAction",
			url.Values{"chat_id": {"-5"}, "action": {"typing"}},
		},
		"me": {
			func(c *telegram.Client) telegram.Outcome {
				_, out := c.GetMe(t.Context(), secret.New(token))
				return out
			},
			"getMe", nil,
		},
		"chat": {
			func(c *telegram.Client) telegram.Outcome {
				_, out := c.GetChat(t.Context(), secret.New(token), -5)
				return out
			},
			"getChat",
			url.Values{"chat_id": {"-5"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := telegramtest.New(t)
			s.On("getChat", telegramtest.Result(`{"id":-5,"type":"group"}`))
			s.On("sendSticker", telegramtest.Result(`{"message_id":8,"date":1800000000}`))
			// A Bot API server may be behind a path.
			out := tc.call(newClient(t, config(s.URL+"/behind/a/path/")))
			if out.Kind != telegram.Done || out.Status != 200 || out.Description != "" {
				t.Errorf("%+v", out)
			}
			want := []telegramtest.Call{{Token: token, Method: tc.method, Form: tc.form}}
			if diff := cmp.Diff(want, s.Calls(), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheMessagesID(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t, telegramtest.Sent(9007199254740993),
		telegramtest.Result(`{"message_id":"no number"}`), telegramtest.Result(`null`), telegramtest.Raw(200, `{"ok":true}`))
	c := newClient(t, config(s.URL))
	if out := send(t, c); out.Kind != telegram.Done || out.MessageID != 9007199254740993 {
		t.Errorf("%+v", out)
	}
	// The message was sent, whatever the rest of the response.
	for range 3 {
		if out := send(t, c); out.Kind != telegram.Done || out.MessageID != 0 {
			t.Errorf("%+v", out)
		}
	}
}

func TestAnEmojiThatIsNoReactionMakesNoCall(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for _, emoji := range []string{"😂", "👍👍", "lol", " ", "\xff", strings.Repeat("👍", 10_000)} {
		out := c.SetReaction(t.Context(), secret.New(token), telegram.Reaction{ChatID: -5, MessageID: 7, Emoji: emoji})
		if out.Kind != telegram.PermanentAction || !out.ReactionInvalid || out.Description == "" || len(out.Description) > 600 {
			t.Errorf("%q: %+v", emoji, out)
		}
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// A token with other characters would direct the call to another address.
func TestAMalformedTokenMakesNoCall(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for _, bad := range []string{"", "1:a/../../x", "1:a b", "1:a\r\nHost: x", "1:a?b", "1:a#b", "1:a%2Fb", "1:ключ"} {
		me, out := c.GetMe(t.Context(), secret.New(bad))
		if out.Kind != telegram.PermanentBot || me != (telegram.Me{}) {
			t.Errorf("%q: %+v", bad, out)
		}
		if len(bad) > 4 && strings.Contains(out.Description, bad) {
			t.Errorf("%q is shown: %s", bad, out.Description)
		}
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestGetMe(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t,
		telegramtest.Result(`{"id":1234567890,"is_bot":true,"first_name":"Ada","username":"ada_bot","can_join_groups":true,"can_read_all_group_messages":true,"new":{}}`),
		telegramtest.Result(`"not a user"`),
		telegramtest.Refuse(401, "Unauthorized", ""))
	c := newClient(t, config(s.URL))
	me, out := c.GetMe(t.Context(), secret.New(token))
	want := telegram.Me{ID: 1234567890, Username: "ada_bot", Name: "Ada", ReadsAll: true}
	if diff := cmp.Diff(want, me); diff != "" || out.Kind != telegram.Done {
		t.Errorf("%+v\n%s", out, diff)
	}
	if _, out := c.GetMe(t.Context(), secret.New(token)); out.Kind != telegram.Unknown || out.Description == "" {
		t.Errorf("a result of another type: %+v", out)
	}
	if _, out := c.GetMe(t.Context(), secret.New(token)); out.Kind != telegram.PermanentBot {
		t.Errorf("%+v", out)
	}
}

func TestGetChat(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		result string
		want   telegram.ChatInfo
	}{
		"all reactions": {
			`{"id":-1001,"type":"supergroup","title":"Book club","max_reaction_count":11}`,
			telegram.ChatInfo{ID: -1001, Kind: "supergroup", Title: "Book club"},
		},
		"closed for the night": {
			`{"id":-5,"type":"group","permissions":{"can_send_messages":false,"can_react_to_messages":false}}`,
			telegram.ChatInfo{ID: -5, Kind: "group", SendClosed: true, ReactClosed: true},
		},
		"open, on an old server": {
			`{"id":-5,"type":"group","permissions":{"can_send_messages":true}}`,
			telegram.ChatInfo{ID: -5, Kind: "group"},
		},
		"no reactions": {
			`{"id":-5,"type":"group","title":"x","available_reactions":[]}`,
			telegram.ChatInfo{ID: -5, Kind: "group", Title: "x", AvailableReactions: []string{}},
		},
		"some, of old and new types": {
			`{"id":-5,"type":"group","available_reactions":[{"type":"emoji","emoji":"👍"},{"type":"custom_emoji","custom_emoji_id":"5"},` +
				`{"type":"paid"},{"type":"of next year","emoji":"👎"},{"type":"emoji","emoji":"🔥"}]}`,
			telegram.ChatInfo{ID: -5, Kind: "group", AvailableReactions: []string{"👍", "🔥"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := telegramtest.New(t, telegramtest.Result(tc.result))
			got, out := newClient(t, config(s.URL)).GetChat(t.Context(), secret.New(token), -5)
			if diff := cmp.Diff(tc.want, got); diff != "" || out.Kind != telegram.Done {
				t.Errorf("%+v\n%s", out, diff)
			}
		})
	}
}

func TestNewRefusesABadConfig(t *testing.T) {
	t.Parallel()
	if _, err := telegram.New(telegram.Config{}); err == nil {
		t.Error("no error")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*telegram.Config)
		want   string // "" for none
	}{
		"default":         {func(*telegram.Config) {}, ""},
		"local server":    {func(c *telegram.Config) { c.URL = "http://127.0.0.1:8081" }, ""},
		"no scheme":       {func(c *telegram.Config) { c.URL = "127.0.0.1:8081" }, "url: "},
		"other scheme":    {func(c *telegram.Config) { c.URL = "ftp://example.org" }, "url: want http"},
		"query":           {func(c *telegram.Config) { c.URL = "http://example.org/?pass" }, "url: must have no query"},
		"empty query":     {func(c *telegram.Config) { c.URL = "http://example.org/?" }, "url: must have no query"},
		"connect timeout": {func(c *telegram.Config) { c.ConnectTimeout = 0 }, "connect_timeout: 0s, want"},
		"timeout":         {func(c *telegram.Config) { c.Timeout = -1 }, "timeout: -1ns, want"},
		"idle":            {func(c *telegram.Config) { c.MaxIdle = 0 }, "max_idle: 0, want 1 to"},
		"several":         {func(c *telegram.Config) { c.MaxIdle, c.Timeout = 0, 0 }, "\nmax_idle: "},
	} {
		cfg := telegram.DefaultConfig()
		tc.change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: the URL is shown: %v", name, err)
		}
	}
}

func TestTextLength(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":                           0,
		"hello":                      5,
		"héllo":                      5,
		"привет":                     6,
		"👍":                          2,
		"👨\u200d💻":                   5,
		"a\xffb":                     3,
		strings.Repeat("🎈", 2048):    telegram.MaxText,
		strings.Repeat("a", 4096):    telegram.MaxText,
		strings.Repeat("🎈", 2049):    telegram.MaxText + 2,
		"\uffff\U00010000\U0010ffff": 5,
	} {
		if got := telegram.TextLength(text); got != want {
			t.Errorf("TextLength(%.20q) = %d, want %d", text, got, want)
		}
	}
}

// With a wrong address every bot would get a 404, so it is rejected before the first call.
// A self-hosted server may have a path.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                            "",
		"https://api.telegram.org":                    "",
		"https://api.telegram.org/":                   "",
		"HTTPS://API.Telegram.org":                    "",
		"http://127.0.0.1:8081":                       "",
		"http://bots.example.org/telegram/":           "",
		"https://example.org/telegram-bot-api":        "",
		"https://example.org/bot/api":                 "",
		"https://bot.example.org/robot":               "",
		"https://api.telegram.org/bot":                "leave out /bot",
		"https://api.telegram.org/bot/":               "leave out /bot",
		"https://api.telegram.org/Bot":                "leave out /bot",
		"https://api.telegram.org/bot123:pass":        "leave out /bot",
		"https://api.telegram.org/bot123:pass/getMe":  "leave out /bot",
		"https://api.telegram.org/bot123%3Apass":      "leave out /bot",
		"https://api.telegram.org/bot<token>":         "leave out /bot",
		"https://api.telegram.org/bot{token}/":        "leave out /bot",
		"https://api.telegram.org/file/bot123:pass":   "leave out /bot",
		"http://127.0.0.1:8081/bot":                   "leave out /bot",
		"http://example.org/path/bot//":               "leave out /bot",
		"https://api.telegram.org/v1":                 "has no path",
		"http://api.telegram.org":                     "tokens in clear",
		"https://telegram.org":                        "is not the Bot API's host",
		"https://core.telegram.org/bots/api":          "is not the Bot API's host",
		"https://api.telegram.org./bot":               "leave out /bot",
		"api.telegram.org":                            "want http",
		"//api.telegram.org":                          "want http",
		"https:api.telegram.org":                      "want http",
		" https://api.telegram.org":                   "is no URL",
		"https://api.telegram.org/#pass":              "no query or fragment",
		"https://api.telegram.org?pass":               "no query or fragment",
		"https://user:pass@example.org/bot123:pass/x": "leave out /bot",
	} {
		cfg := telegram.DefaultConfig()
		cfg.URL = url
		err := cfg.Validate()
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", url, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %s", url, err, want)
		case err != nil && strings.Contains(err.Error(), "pass"):
			t.Errorf("%q is shown: %v", url, err)
		}
	}
}

func TestWhoMaySpeakAndReact(t *testing.T) {
	t.Parallel()
	open, closed := telegram.ChatInfo{}, telegram.ChatInfo{SendClosed: true, ReactClosed: true}
	for _, c := range []struct {
		member                         telegram.Member
		speaks, reacts, night, emojied bool // in the open chat, and in the closed one
	}{
		{telegram.Member{Status: "member"}, true, true, false, false},
		{telegram.Member{Status: "administrator"}, true, true, true, true},
		{telegram.Member{Status: "creator"}, true, true, true, true},
		{telegram.Member{Status: "left"}, false, false, false, false},
		{telegram.Member{Status: "kicked"}, false, false, false, false},
		{telegram.Member{Status: "restricted", Present: true}, false, true, false, false},
		{telegram.Member{Status: "restricted", Present: true, CanSend: true, CanReact: new(false)}, true, false, false, false},
		{telegram.Member{Status: "restricted", CanSend: true}, false, false, false, false},
	} {
		got := [4]bool{c.member.MaySpeak(open), c.member.MayReact(open), c.member.MaySpeak(closed), c.member.MayReact(closed)}
		if want := [4]bool{c.speaks, c.reacts, c.night, c.emojied}; got != want {
			t.Errorf("%+v: got %v, want %v", c.member, got, want)
		}
	}
}
