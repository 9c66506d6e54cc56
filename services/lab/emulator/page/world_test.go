package page_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
	"github.com/chorus-cast/chorus/services/lab/emulator/page"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const club = -1001000000001

// open makes a world with a club of one bot and one person.
func open(t *testing.T) (*world.World, world.Account) {
	t.Helper()

	w, err := world.Open(world.Config{MaxMessages: 10_000, MaxUpdates: 10, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	bot, _, err := w.RegisterBot(world.NewBot{Username: "mira_bot", Name: "Mira"})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := w.PutChat(world.NewChat{
		Chat:    world.Chat{ID: club, Title: "Club", Note: "a note", Reactions: &[]string{"🔥", "👍"}},
		Members: []string{"@mira_bot", "Ada"},
	}); err != nil {
		t.Fatal(err)
	}

	return w, bot
}

func TestChatAsPeopleSeeIt(t *testing.T) {
	t.Parallel()

	w, bot := open(t)
	chats := page.Of(w)
	mira := page.Member{ID: bot.ID, Name: "Mira", Username: "mira_bot", Bot: true}

	text, err := markup.Parse("<b>Hello</b> there", "HTML")
	if err != nil {
		t.Fatal(err)
	}

	first, err := w.Send(world.Cause{}, bot.ID, club, world.Saying{Content: world.Content{Text: text.Plain, Entities: text.Entities}})
	if err != nil {
		t.Fatal(err)
	}

	answer, err := w.Say(club, "Ada", "Hello Mira", first.Seq)
	if err != nil {
		t.Fatal(err)
	}

	ada := page.Member{ID: answer.From.ID, Name: "Ada", Username: answer.From.Username}

	if err := w.ReactAs(club, first.Seq, "Ada", "🔥"); err != nil {
		t.Fatal(err)
	}

	got, err := chats.History(club, 0, 10)
	if err != nil {
		t.Fatal(err)
	}

	want := []page.Message{
		{
			ID: first.Seq, From: mira, At: first.SentAt, Text: "Hello there",
			Entities:  []markup.Entity{{Type: "bold", Length: 5}},
			Reactions: []page.Reaction{{Emoji: "🔥", By: []page.Member{ada}}},
		},
		{
			ID: first.Seq + 1, From: ada, At: answer.SentAt, Text: "Hello Mira", Entities: []markup.Entity{},
			ReplyTo: &page.Quote{ID: first.Seq, From: mira, Text: "Hello there"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}

	wantChat := page.Chat{
		ID: club, Title: "Club", Note: "a note", Members: []page.Member{ada, mira},
		Reactions: []string{"🔥", "👍"}, Last: &want[1],
	}
	if diff := cmp.Diff([]page.Chat{wantChat}, chats.Chats()); diff != "" {
		t.Errorf("chats (-want +got):\n%s", diff)
	}
}

func TestWrongInputIsNamed(t *testing.T) {
	t.Parallel()

	w, _ := open(t)
	chats := page.Of(w)
	_, missing := chats.Chat(5)
	_, history := chats.History(5, 0, 1)
	for field, err := range map[string]error{
		"chat: ":      missing,
		"chat: \"5\"": history,
	} {
		input, ok := err.(*world.InputError) //nolint:errorlint // the world's own type, unwrapped
		if !ok || !strings.HasPrefix(input.Error(), field) {
			t.Errorf("%s got %v", field, err)
		}
	}
}

func TestButtonsAndAdministrators(t *testing.T) {
	t.Parallel()

	w, bot := open(t)
	chats := page.Of(w)

	text, err := markup.Parse("Yes?", "")
	if err != nil {
		t.Fatal(err)
	}

	keyboard := `{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}],[{"text":"Docs","url":"https://example.org"}]]}`

	if _, err := w.Send(world.Cause{}, bot.ID, club, world.Saying{Content: world.Content{Text: text.Plain}, Markup: json.RawMessage(keyboard)}); err != nil {
		t.Fatal(err)
	}

	shown, err := chats.History(club, 0, 1)
	if err != nil {
		t.Fatal(err)
	}

	want := [][]page.Button{{{Text: "Yes", Data: "y"}}, {{Text: "Docs", URL: "https://example.org"}}}
	if diff := cmp.Diff(want, shown[0].Buttons); diff != "" {
		t.Errorf("buttons (-want +got):\n%s", diff)
	}

	for _, admin := range []bool{true, false} {
		role := map[bool]world.Role{true: world.Administrator, false: world.Ordinary}[admin]
		if err := w.SetRole(club, "Ada", role); err != nil {
			t.Fatal(err)
		}

		chat, err := chats.Chat(club)
		if err != nil {
			t.Fatal(err)
		}

		for _, m := range chat.Members {
			if m.Admin != (admin && m.Name == "Ada") {
				t.Errorf("%s is an administrator: %t", m.Name, m.Admin)
			}
		}
	}
}

func TestAPrivateChatIsShownToItsPerson(t *testing.T) {
	t.Parallel()

	w, bot := open(t)
	chats := page.Of(w)

	started, err := w.Start("Ada", "@mira_bot")
	if err != nil {
		t.Fatal(err)
	}

	chat, err := chats.Chat(started.ID)
	if err != nil || chat.Person != "Ada" || chat.Title != "Mira" || chat.Blocked || chat.Last == nil || chat.Last.Text != "/start" {
		t.Fatalf("%+v, %v", chat, err)
	}

	if err := w.SetRole(chat.ID, bot.Username, world.Kicked); err != nil {
		t.Fatal(err)
	}

	blocked, err := chats.Chat(chat.ID)
	if err != nil || !blocked.Blocked || len(blocked.Members) != 2 {
		t.Errorf("%+v, %v", blocked, err)
	}
}

func say(t *testing.T, w *world.World, text string) int64 {
	t.Helper()

	p, err := w.Say(club, "Ada", text, 0)
	if err != nil {
		t.Fatal(err)
	}

	return p.Seq
}

func TestEventsOfEveryKind(t *testing.T) {
	t.Parallel()

	w, bot := open(t)
	chats := page.Of(w)
	feed, complete := chats.Watch(t.Context(), chats.Revision())

	if !complete {
		t.Fatal("the present is forgotten")
	}

	id := say(t, w, "hello")
	steps := []error{
		w.Typing(bot.ID, club, 0),
		w.ReactAs(club, id, "Ada", "🔥"),
		w.DeleteAs(club, id),
		w.SetRole(club, "Bea", world.Ordinary),
		w.Reset(),
		w.Close(),
	}

	for i, err := range steps {
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}

	var got []string

	for {
		e, err := feed.Next(t.Context())
		if err == io.EOF { //nolint:errorlint // the feed's contract
			break
		}

		if err != nil {
			t.Fatal(err)
		}

		line := string(e.Kind)
		if e.Message != nil {
			line += " " + e.Message.Text + e.Message.Service
		}

		if e.Member != nil {
			line += " " + e.Member.Name
		}

		got = append(got, line)
	}

	want := []string{"message hello", "typing Mira", "change hello", "delete", "chat", "message Bea joined the group", "reset"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A reader that doesn't keep up is cut off, and misses nothing when it is back.
func TestSlowReaderComesBack(t *testing.T) {
	t.Parallel()

	const lines = 2_000

	w, _ := open(t)
	chats := page.Of(w)
	handler := page.New(chats, page.Options{})

	var (
		cursor string
		got    []int64
	)

	// The first connection takes only as much as its reader does: nothing at
	// all until the world has given it up.
	for connections := 0; len(got) < lines; connections++ {
		if connections > lines {
			t.Fatalf("%d messages after %d connections", len(got), connections)
		}

		stream := connect(t, handler, "", cursor)
		in, stop := stream.lines, stream.close

		if connections == 0 {
			cursor, _ = next(in) // the reset

			for i := range lines {
				say(t, w, fmt.Sprint(i))
			}
		}

		for {
			id, message := next(in)
			if id == "" {
				break
			}

			cursor = id

			if message != 0 {
				got = append(got, message)
			}

			if len(got) == lines {
				break
			}
		}

		stop()

		if connections == 0 && len(got) == lines {
			t.Fatal("the reader was never cut off")
		}
	}

	for i, id := range got {
		if id != int64(i+1) {
			t.Fatalf("message %d came as number %d", id, i+1)
		}
	}
}

// next returns the next event that has an id, with that of its message if it is
// a new one; "" is the end.
func next(in *bufio.Scanner) (id string, message int64) {
	name := ""

	for in.Scan() {
		key, value, _ := strings.Cut(in.Text(), ": ")

		switch key {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			var e page.Event
			if json.Unmarshal([]byte(value), &e) == nil && name == string(page.Said) {
				message = e.Message.ID
			}

			if id != "" {
				return id, message
			}
		}
	}

	return "", 0
}
