package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	sorted "slices" // the package has an identifier slices
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/chorus-cast/chorus/services/internal/people/peopletest"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// The forgotten person is found by a word that nobody else uses, and by their name.
const (
	planted   = "quokkaberry"
	plantedBy = "Zebulon"
)

// parrot is a model that repeats what it is shown, and remembers it.
type parrot struct{ asked, remembered atomic.Int64 }

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Messages []struct{ Content string } `json:"messages"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked.Messages) < 2 {
		http.Error(w, "what?", http.StatusBadRequest)
		return
	}
	n := p.asked.Add(1)
	told := ""
	if strings.Contains(asked.Messages[1].Content, planted) {
		told = " and " + plantedBy + " has a " + planted
	}
	text := fmt.Sprintf("Number %d of %s comes by%s.", n, strings.Repeat(strconv.FormatInt(n*n*7919, 36)+" ", 3), told)
	if strings.Contains(asked.Messages[0].Content, "You keep the memories") {
		text = `{"memories":[]}`
		if told != "" {
			p.remembered.Add(1)
			text = `{"memories":[{"who":"bot 1","kind":"fact","content":"` + plantedBy + ` has a ` + planted + `.","about":["person 1"],"relevance":0.9}]}`
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"model":   "parrot",
		"choices": []any{map[string]any{"finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": text}}},
		"usage":   map[string]any{"prompt_tokens": 100, "completion_tokens": 10},
	})
}

// searched is all storage of an installation.
type searched struct {
	t     *testing.T
	pool  *pgxpool.Pool
	js    jetstream.JetStream
	redis *redis.Client
}

func search(t *testing.T, d *deployment) *searched {
	t.Helper()
	nc, err := nats.Connect(d.bus.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s := &searched{t: t, pool: d.pool()}
	if s.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(d.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	s.redis = redis.NewClient(options)
	t.Cleanup(func() { _ = s.redis.Close() })
	return s
}

func (s *searched) everywhere(text string) []string {
	s.t.Helper()
	places := peopletest.Search(s.t, s.pool, s.js, text)
	keys := s.redis.Scan(s.t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(s.t.Context()) {
		dump, err := s.redis.Dump(s.t.Context(), keys.Val()).Result()
		if err == nil && strings.Contains(strings.ToLower(keys.Val()+dump), strings.ToLower(text)) {
			places = append(places, "redis "+keys.Val())
		}
	}
	if err := keys.Err(); err != nil {
		s.t.Fatal(err)
	}
	return places
}

func (s *searched) count(sql string, args ...any) (n int) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestWhoIsForgottenLeavesNothing lets a person talk in a running system whose model
// repeats and remembers what it is shown. While the cast goes on talking, the person is
// forgotten. The test then searches all storage.
func TestWhoIsForgottenLeavesNothing(t *testing.T) {
	t.Parallel()
	model := &parrot{}
	server := httptest.NewServer(model)
	t.Cleanup(server.Close)
	d := deploy(t, troupe{bots: 3, supergroups: 2, perChat: 3, gap: 2 * time.Second}.file(t))
	d.environment = append(d.environment, "CHORUS_LLM_KIND=openai", "CHORUS_LLM_URL="+server.URL+"/v1", "CHORUS_LLM_MODEL=parrot", "CHORUS_LLM_PROMPT_PRICE=0.1")
	s := search(t, d)
	chats, err := d.telegram.Chats(t.Context())
	if err != nil || len(chats) != 2 {
		t.Fatal(chats, err)
	}
	d.run("settings", "set", "keep_drafts", "all")
	d.start("planner", "generator", "sender", "listener")
	say := func(ctx context.Context, name, text string) {
		t.Helper()
		if _, err := d.telegram.Say(ctx, chats[0].ID, control.Saying{Name: name, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	say(t.Context(), plantedBy, "Does anybody know what a "+planted+" is?")
	eventually(t, "it is remembered and repeated", func() bool {
		say(t.Context(), plantedBy, "My "+planted+" again: what do you say?")
		return model.remembered.Load() > 0 && s.count(`SELECT count(*) FROM memory_people`) > 0 &&
			s.count(`SELECT count(*) FROM messages WHERE bot_id IS NOT NULL AND body LIKE '%`+planted+`%'`) > 0
	})
	if n := s.count(`SELECT count(*) FROM drafts WHERE prompt::text LIKE '%` + planted + `%' AND drafts::text LIKE '%` + planted + `%'`); n == 0 {
		t.Error("no prompt and no draft is kept that has it")
	}
	// Memories of one chat are not used in the other.
	if n := s.count(`SELECT count(*) FROM messages m JOIN chats c ON c.id = m.chat_id WHERE c.telegram_id = $1 AND m.body LIKE '%`+planted+`%'`, chats[1].ID); n != 0 {
		t.Errorf("%d messages of the other chat have it, too", n)
	}
	id := s.count(`SELECT telegram_id FROM people WHERE name = $1`, plantedBy)
	exported := d.run("export", "--person", strconv.Itoa(id))
	for _, want := range []string{"Does anybody know what a " + planted, "said_by_bots:", "memories:", plantedBy + " has a " + planted} {
		if !strings.Contains(exported, want) {
			t.Errorf("no %q in the export:\n%s", want, exported)
		}
	}
	eventually(t, "a second has gone by", func() bool { // Telegram's times are whole seconds
		return s.count(`SELECT count(*) FROM messages WHERE person_id = $1 AND sent_at > now() - interval '2 seconds'`, id) == 0
	})
	say(t.Context(), plantedBy, "/forgetme")
	eventually(t, "it is answered", func() bool { return s.count(`SELECT count(*) FROM turns WHERE topic = '/forgetme'`) == 1 })
	// The cast goes on talking; the work under way has ended by then.
	turns := s.count(`SELECT sum(turn_no) FROM chat_clock`)
	eventually(t, "it talks on", func() bool { return s.count(`SELECT sum(turn_no) FROM chat_clock`) > turns+6 })
	for _, text := range []string{planted, plantedBy} {
		if left := s.everywhere(text); len(left) > 0 {
			t.Errorf("%s is left in %v", text, left)
		}
	}
	if out, err := d.try("export", "--person", strconv.Itoa(id)); err == nil && regexp.MustCompile(planted+"|"+plantedBy).MatchString(out) {
		t.Errorf("the export has\n%s", out)
	}
	d.leftInFiles()
}

// leftInFiles searches Chorus' own files.
func (d *deployment) leftInFiles() {
	d.t.Helper()
	at := sorted.IndexFunc(d.environment, func(e string) bool { return strings.HasPrefix(e, "CHORUS_SECRET_FILE=") })
	file := strings.TrimPrefix(d.environment[at], "CHORUS_SECRET_FILE=")
	dir := os.DirFS(file[:strings.LastIndexByte(file, '/')])
	entries, err := os.ReadDir(fmt.Sprint(dir))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(fmt.Sprint(dir) + "/" + e.Name())
		if err == nil && strings.Contains(string(text), planted) {
			d.t.Errorf("it is left in %s", e.Name())
		}
	}
}
