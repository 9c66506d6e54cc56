package incoming_test

import (
	"fmt"
	"testing"

	"github.com/chorus-cast/chorus/services/listener/incoming"
)

const (
	asGroup   = `"from":{"id":1087968824,"is_bot":true,"first_name":"Group","username":"GroupAnonymousBot"}`
	asChannel = `"from":{"id":136817688,"is_bot":true,"first_name":"Channel","username":"Channel_Bot"}`
	asPost    = `"from":{"id":777000,"is_bot":false,"first_name":"Telegram"}`
	group     = `"sender_chat":{"id":-1001234567890,"type":"supergroup","title":"Here"}`
	mine      = `"sender_chat":{"id":-1009999999999,"type":"channel","title":"Mine","username":"mine_channel"}`
)

// updates returns all kinds of updates that have an author, each with the same one.
func updates(author string) map[string]string {
	at := func(kind, rest string) string {
		return fmt.Sprintf(`{"update_id":7,%q:{"message_id":5,"date":1700000000,%s,%s}}`, kind, here, rest)
	}
	return map[string]string{
		"message":        at("message", author+`,"text":"hi"`),
		"edited message": at("edited_message", author+`,"text":"hi","edit_date":1700000001`),
		"photo":          at("message", author+`,"photo":[{}],"caption":"look"`),
		"poll":           at("message", author+`,"poll":{"id":"1"}`),
		"sticker":        at("message", author+`,"sticker":{"emoji":"x"}`),
		"command":        at("message", author+`,"text":"/forgetme","entities":[{"type":"bot_command","offset":0,"length":9}]`),
		"forwarded":      at("message", author+`,"text":"hi","forward_origin":{"type":"user","sender_user":{"id":4}}`),
		"automatic":      at("message", author+`,"text":"hi","is_automatic_forward":true`),
		"title":          at("message", author+`,"new_chat_title":"There"`),
	}
}

func TestTheAuthorIsWhoWroteAndNotTelegramsAccountForIt(t *testing.T) {
	t.Parallel()
	const casino = `,"sender_chat":{"id":-1009999999999,"type":"channel","title":"t.me/casino"}`
	for who, test := range map[string]struct {
		author string
		want   incoming.Person
	}{
		"a person who writes as themselves":       {tom, incoming.Person{ID: 42, Name: "Tom Jones", Username: "tom_j"}},
		"an anonymous administrator":              {asGroup + "," + group, incoming.Person{ID: -1001234567890, Name: "Here", Anonymous: true}},
		"an administrator whose group isn't told": {asGroup, incoming.Person{ID: -1001234567890, Name: "Here", Anonymous: true}},
		"a person as a channel":                   {asChannel + "," + mine, incoming.Person{ID: -1009999999999, Name: "Mine"}},
		"a linked channel":                        {asPost + "," + mine, incoming.Person{ID: -1009999999999, Name: "Mine"}},
		"a channel alone":                         {mine, incoming.Person{ID: -1009999999999, Name: "Mine"}},
		"a channel that isn't told":               {asChannel, incoming.Person{}},
		"a post of nobody":                        {asPost, incoming.Person{}},
		"a channel whose title is a link":         {asChannel + casino, incoming.Person{ID: -1009999999999, Name: "Somebody"}},
	} {
		for what, raw := range updates(test.author) {
			u, err := incoming.Parse([]byte(raw))
			if err != nil || u.From != test.want {
				t.Errorf("%s: %s: %+v, %v; want %+v", who, what, u.From, err, test.want)
			}
			if test.want.ID == 0 && u.Kind == incoming.Message {
				t.Errorf("%s: %s: is a message of nobody", who, what)
			}
		}
	}
}

func TestAReplysTargetIsOfItsAuthor(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]int64{
		tom: 42, asGroup + "," + group: -1001234567890, asChannel + "," + mine: -1009999999999, asPost + "," + mine: -1009999999999, asChannel: 0,
	} {
		u, err := incoming.Parse([]byte(message(`"text":"hi","reply_to_message":{"message_id":3,"date":1700000000,` + target + `,"text":"before"}`)))
		if err != nil || u.ReplyTo == nil || u.ReplyTo.From != want {
			t.Errorf("%s: %+v, %v", target, u.ReplyTo, err)
		}
	}
}

func TestNamesThatMustNotBeSaidAreNotKept(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ first, last, username, want string }{
		{"Tom", "Jones", "", "Tom Jones"},
		{"t.me/example", "", "tom", "tom"},
		{"example", ".com", "", "Somebody"},
		{"Tom", "@casino", "", "Somebody"},
		{"\u202eTom", "\u2066Jones", "", "Tom Jones"},
		{"\u3164", "\u2800", "", "Somebody"},
		{"\u200b", "", "tom", "tom"},
		{"", "", "", "Somebody"},
	} {
		raw := fmt.Sprintf(`{"update_id":7,"message":{"message_id":5,"date":1700000000,%s,"text":"hi","from":{"id":42,"first_name":"%s","last_name":"%s","username":%q}}}`,
			here, test.first, test.last, test.username)
		if u, err := incoming.Parse([]byte(raw)); err != nil || u.From.Name != test.want {
			t.Errorf("%s: %q, %v; want %q", raw, u.From.Name, err, test.want)
		}
	}
}

func TestWhatIsACommand(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/about": "about", "/ABOUT": "about", "/about@anna_bot": "about", "/foo": "foo", "/foo@other_bot and more": "foo", "/shrug whatever": "shrug",
	} {
		length := len(text)
		for i, r := range text {
			if r == ' ' {
				length = i
				break
			}
		}
		u, err := incoming.Parse([]byte(message(fmt.Sprintf(`"text":%q,"entities":[{"type":"bot_command","offset":0,"length":%d}]`, text, length))))
		if err != nil || u.Command == nil || u.Command.Name != want {
			t.Errorf("%s: %+v, %v", text, u.Command, err)
		}
	}
	// Without an entity a text is no command. A path is none even with an entity.
	for text, entity := range map[string]string{
		"/ hello":                  ``,
		"/etc/passwd is a file":    ``,
		"/etc/passwd is the file":  `{"type":"bot_command","offset":0,"length":4}`,
		"/etc/passwd is that file": `{"type":"bot_command","offset":0,"length":11}`,
		"/é":                       `{"type":"bot_command","offset":0,"length":2}`,
		"try /about":               `{"type":"bot_command","offset":4,"length":6}`,
		"// a comment":             `{"type":"bot_command","offset":0,"length":2}`,
		"and/or":                   ``,
	} {
		u, err := incoming.Parse([]byte(message(fmt.Sprintf(`"text":%q,"entities":[%s]`, text, entity))))
		if err != nil || u.Command != nil || u.Kind != incoming.Message {
			t.Errorf("%s: %+v, %v", text, u.Command, err)
		}
	}
}
