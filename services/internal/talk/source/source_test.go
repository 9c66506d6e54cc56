package source_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/talk"
	"github.com/chorus-cast/chorus/services/internal/talk/source"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

var at = time.Date(2026, 5, 6, 8, 0, 0, 0, time.UTC)

// Each format, with the transcript it gives.
func TestFormats(t *testing.T) {
	t.Parallel()
	later := at.Add(time.Minute)
	said := []talk.Line{{ID: 1, Who: "anna", Bot: true, Text: "Yes.", At: at}, {ID: 2, Who: "Mia", Text: "No?", At: later, Answers: 1}}
	exported := `[{"id":0,"type":"service","date":"2026-05-06T07:00:00","actor":"Mia"},
{"id":1,"type":"message","date":"2026-05-06T10:00:00","date_unixtime":"1778054400","from":"anna","from_id":"user1","text":["Y",{"type":"bold","text":"es"},"."]},
{"id":2,"type":"message","date":"2026-05-06T08:01:00","from":"Mia","from_id":"user2","reply_to_message_id":1,"text":"No?"}]`
	tests := map[string]struct {
		content string
		options source.Options
		want    []talk.Line
	}{
		"ours": {
			`{"lines":[{"id":1,"who":"anna","bot":true,"text":"Yes.","at":"2026-05-06T08:00:00Z"},
{"id":2,"who":"Mia","text":"No?","at":"2026-05-06T08:01:00","answers":1}]}`, source.Options{}, said,
		},
		"Telegram":          {`{"name":"Club","type":"private_supergroup","messages":` + exported + `}`, source.Options{Bots: []string{"anna"}}, said},
		"Telegram, account": {`{"chats":{"list":[{"name":"Club","messages":` + exported + `},{"name":"x","messages":[]}]}}`, source.Options{Chat: "Club", Bots: []string{"anna"}}, said},
		"messages of the emulator": {
			`[{"message_id":1,"from":{"id":7,"bot":true,"name":"anna"},"sent_at":"2026-05-06T08:00:00Z","text":"Yes."},
{"message_id":2,"from":{"id":8,"bot":false,"name":"Mia"},"sent_at":"2026-05-06T08:01:00Z","text":"No?","reply_to":1},
{"message_id":3,"from":{"id":8,"bot":false,"name":"Mia"},"sent_at":"2026-05-06T08:01:00Z","service":{"left":8}}]`, source.Options{}, said,
		},
		"calls of the emulator": {
			`{"method":"getMe","time":"2026-05-06T08:00:00Z","effect":"none"}
{"method":"sendMessage","bot":"a","chat":-5,"time":"2026-05-06T08:00:00Z","effect":"sent","effect_message_id":1,"params":{"text":"Yes."}}
{"method":"sendMessage","bot":"b","chat":-5,"time":"2026-05-06T08:01:00Z","effect":"sent","effect_message_id":2,"params":{"text":"No?","reply_parameters":{"message_id":1}}}`,
			source.Options{},
			[]talk.Line{{ID: 1, Who: "a", Bot: true, Text: "Yes.", At: at}, {ID: 2, Who: "b", Bot: true, Text: "No?", At: later, Answers: 1}},
		},
		"simulate": {
			`{"seed":"1","turns":[{"at":"2026-05-06T08:00:00Z","chat":"c","number":1,"bot":"a","kind":"message"},
{"at":"2026-05-06T08:01:00Z","chat":"c","number":2,"bot":"b","kind":"reaction","target":1},
{"at":"2026-05-06T08:01:00Z","chat":"other","number":1,"bot":"b","kind":"message"}]}`,
			source.Options{Chat: "c"},
			[]talk.Line{{ID: 1, Who: "a", Bot: true, At: at}, {ID: 2, Who: "b", Bot: true, At: later, Answers: 1, Reaction: true}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := source.Parse([]byte(test.content), test.options)
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got): %s", err, diff)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	const formats = `want a JSON object with "lines", the result.json of Telegram Desktop, the emulator's log of calls or messages of a chat, or chorus simulate --output json`
	two := `{"turns":[{"at":"2026-05-06T08:00:00Z","chat":"c","bot":"a"},{"at":"2026-05-06T08:00:00Z","chat":"d","bot":"a"}]}`
	for content, want := range map[string]string{
		"":                                    `"" is no JSON, ` + formats,
		"TIME  CHAT":                          `"TIME  CHAT" is no JSON, ` + formats,
		`{"a":1,"b":2}`:                       `has the fields {"a", "b"}, ` + formats,
		`{"lines":[]} {}`:                     `has something after its JSON object, ` + formats,
		`{"lines":7}`:                         `lines: "7", want a list`,
		`{"lines":[{"who":7}]}`:               `lines[0].who: 7, want a text`,
		`{"lines":[{"who":""}]}`:              `lines[0].who: is missing, want the name of who said it`,
		`{"lines":[{"who":"a"}]}`:             `lines[0].at: "", want a time such as 2026-05-06T08:00:00Z`,
		`{"messages":[{"id":"x"}]}`:           `messages[0].id: "x", want a whole number`,
		`[{"from":{"name":5}}]`:               `messages[0].from.name: a number, want a text`,
		`{"method":"x","time":5}`:             `line 1.time: 5, want a text`,
		`{"turns":[]}`:                        `has no message`,
		`{"lines":[{"who":"a","at":"noon"}]}`: `lines[0].at: "noon", want a time such as 2026-05-06T08:00:00Z`,
		two:                                   `--chat: "", want one of "c", "d"`,
	} {
		if _, err := source.Parse([]byte(content), source.Options{}); err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", content, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"lines":[{"who":"a","at":"2026-05-06T08:00:00Z"}]}`)
	f.Add(`{"messages":[{"type":"message","text":[{"text":null}]}]}`)
	f.Add(`{"method":"sendMessage","effect":"sent","params":{"reply_parameters":"{"}}`)
	f.Fuzz(func(_ *testing.T, content string) {
		lines, err := source.Parse([]byte(content), source.Options{})
		if err == nil {
			talk.Review(lines)
		}
	})
}

func TestAChatOfTheDatabase(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	chat := journaltest.Chat(t, pool, "club", journaltest.Bot(t, pool, "anna"))
	for _, sql := range []string{
		`INSERT INTO people (telegram_id, name) VALUES (99, 'Mia')`,
		`INSERT INTO messages (chat_id, number, bot_id, body, sent_at) SELECT $1, 1, id, 'Yes.', now() - interval '1 minute' FROM bots`,
		`INSERT INTO messages (chat_id, number, person_id, reply_to, body, sent_at) VALUES ($1, 2, 99, 1, 'No?', now())`,
		`INSERT INTO messages (chat_id, number, person_id, body, sent_at, talk) VALUES ($1, 3, 99, '/status', now(), false)`,
		`INSERT INTO messages (chat_id, number, person_id, body, sent_at) VALUES ($1, 4, 99, 'Long ago.', now() - interval '3 hours')`,
	} {
		var args []any
		if sql[12:18] != "people" {
			args = append(args, chat)
		}
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	got, err := source.Chat(t.Context(), pool, chat, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].At = time.Time{}
	}
	want := []talk.Line{{ID: 1, Who: "anna", Bot: true, Text: "Yes."}, {ID: 2, Who: "person 1", Text: "No?", Answers: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}
