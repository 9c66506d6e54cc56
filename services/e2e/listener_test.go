package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/emulatortest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// fleet describes a run of listeners, of which one is killed regularly.
type fleet struct {
	bots     int
	messages int
	rate     float64 // messages per second
	// killed is the minimum lifetime of a listener. Another one follows at once.
	killed  time.Duration
	webhook bool
}

// faults counts the differences between what was said and what was stored.
type faults struct{ lost, doubled, disordered int }

func (f *faults) add(g faults) {
	f.lost, f.doubled, f.disordered = f.lost+g.lost, f.doubled+g.doubled, f.disordered+g.disordered
}

func TestListenersThatAreKilledHearEachMessageOnce(t *testing.T) {
	t.Parallel()
	for name, webhook := range map[string]bool{"polling": false, "webhook": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fleet{bots: 5, messages: 400, rate: 100, killed: 700 * time.Millisecond, webhook: webhook}
			if found := f.run(t); found != (faults{}) {
				t.Errorf("lost %d, doubled %d, disordered %d", found.lost, found.doubled, found.disordered)
			}
		})
	}
}

// BenchmarkListener checks the promise at its full size, with polling and with webhooks.
func BenchmarkListener(b *testing.B) {
	for b.Loop() {
		var found faults
		for _, webhook := range []bool{false, true} {
			f := fleet{bots: 5, messages: 10_000, rate: 200, killed: 3 * time.Second, webhook: webhook}
			began := time.Now()
			found.add(f.run(b))
			b.Logf("webhook %v: %d messages in %v", webhook, f.messages, time.Since(began))
		}
		fmt.Printf("figure listener.lost %d messages\nfigure listener.doubled %d messages\nfigure listener.disordered %d messages\n",
			found.lost, found.doubled, found.disordered)
	}
}

// town is a Telegram with a cast in a supergroup and in a basic group.
type town struct {
	t        testing.TB
	emulator *emulator.Emulator
	pool     *pgxpool.Pool
	accounts []int64
	args     []string
	keys     string
	chats    [2]int64 // Chorus' ids
	groups   [2]int64 // Telegram's
}

func newTown(t testing.TB) *town {
	t.Helper()
	w := &town{t: t, pool: journaltest.Open(t)}
	w.emulator = emulatortest.Start(t, func(c *emulator.Config) { c.Unlimited, c.MaxUpdates, c.MaxMessages = true, 1_000_000, 1_000_000 })
	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(t)
	bustest.Open(t, cfg)
	key, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	w.keys = key.Reveal()
	w.args = []string{
		"--database.url", w.pool.Config().ConnString(), "--nats.url", cfg.URL, "--telegram.url", w.emulator.URL(),
		"--ops.listen", "127.0.0.1:0", "--log.level", "error",
	}
	return w
}

// cast creates bots, and both groups with them.
func (w *town) cast(bots int) {
	w.t.Helper()
	ids, members := w.bots(bots)
	for i, kind := range []string{world.Supergroup, world.Group} {
		made, err := w.emulator.World().PutChat(world.NewChat{Chat: world.Chat{Kind: kind, Title: kind}, Members: members})
		if err != nil {
			w.t.Fatal(err)
		}
		w.groups[i], w.chats[i] = made.ID, journaltest.Chat(w.t, w.pool, kind, ids...)
		w.exec(`UPDATE chats SET telegram_id = $2, kind = $3 WHERE id = $1`, w.chats[i], made.ID, kind)
	}
}

// bots creates bots in Telegram and in the roster, and returns Chorus' ids and their
// usernames.
func (w *town) bots(n int) (ids []int64, usernames []string) {
	w.t.Helper()
	ring, err := secret.ParseKeys(w.keys)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range n {
		name := fmt.Sprintf("bot%d", i)
		account, token, err := w.emulator.World().RegisterBot(world.NewBot{Username: name + "_of_tests"})
		if err != nil {
			w.t.Fatal(err)
		}
		sealed, err := rosterpg.Tokens{Keyring: ring}.Seal(name, secret.New(token))
		if err != nil {
			w.t.Fatal(err)
		}
		id := journaltest.Bot(w.t, w.pool, name)
		w.exec(`UPDATE bots SET telegram_id = $2, username = $3, token_sealed = $4 WHERE id = $1`, id, account.ID, account.Username, sealed)
		ids, usernames, w.accounts = append(ids, id), append(usernames, account.Username), append(w.accounts, account.ID)
	}
	return ids, usernames
}

func (w *town) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// listener starts a listener. With a door, it receives the door's requests.
func (w *town) listener(d *door, place int) *chorus {
	w.t.Helper()
	args := append([]string{"listener"}, w.args...)
	if d != nil {
		at := nobody(w.t)
		args = append(args, "--listener.public-url", d.url, "--listener.listen", at)
		d.put(place, at)
	}
	return launch(w.t, []string{"CHORUS_SECRET_KEYS=" + w.keys}, args...)
}

// door is a load balancer for two listeners. It forwards each request to one of them, and
// answers 502 if that one is dead.
type door struct {
	mu     sync.Mutex
	places [2]string
	next   int
	url    string
}

func (d *door) put(place int, at string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.places[place] = at
}

func (d *door) choose(r *httputil.ProxyRequest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	r.SetURL(&url.URL{Scheme: "http", Host: d.places[d.next%len(d.places)]})
}

func newDoor(t testing.TB) *door {
	t.Helper()
	d := &door{}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	proxy := &httputil.ReverseProxy{Rewrite: d.choose, Transport: transport, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
		w.WriteHeader(http.StatusBadGateway)
	}}
	l := listen(t)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: patience}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // returns when the server is closed
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
		transport.CloseIdleConnections()
	})
	d.url = "http://" + l.Addr().String()
	return d
}

// run lets people write while listeners are killed, and counts the faults.
func (f fleet) run(t testing.TB) faults {
	t.Helper()
	w := newTown(t)
	w.cast(f.bots)
	var d *door
	if f.webhook {
		d = newDoor(t)
	}
	listeners := [2]*chorus{w.listener(d, 0), w.listener(d, 1)}
	seed := uint64(time.Now().UnixNano())
	t.Logf("the moments follow from the seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	moment := func() time.Duration { return f.killed + time.Duration(chance.Int64N(int64(f.killed))) }

	said := map[int64][]string{}
	tick := time.NewTicker(time.Duration(float64(time.Second) / f.rate))
	defer tick.Stop()
	kill := time.NewTimer(moment())
	defer kill.Stop()
	killed := 0
	for i := 0; i < f.messages; {
		select {
		case <-kill.C:
			listeners[killed%2].kill()
			listeners[killed%2] = w.listener(d, killed%2)
			killed++
			kill.Reset(moment())
		case <-tick.C:
			which := i % 2
			// Every eighth line is repeated, because people repeat themselves.
			text := fmt.Sprintf("line %d of %d", i/8*8+max(i%8-2, i%2), f.messages)
			if _, err := w.emulator.World().Say(w.groups[which], fmt.Sprint("Person ", i/2%3), text, 0); err != nil {
				t.Fatal(err)
			}
			said[w.chats[which]] = append(said[w.chats[which]], text)
			i++
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
	talked := time.Now()
	w.settle()
	t.Logf("%d listeners were killed; the rest was heard %v after the last message", killed, time.Since(talked).Round(time.Millisecond))
	var found faults
	for _, chat := range w.chats {
		found.add(compare(t, said[chat], w.rows(chat)))
	}
	return found
}

// settle waits until all bots' updates are stored.
func (w *town) settle() {
	w.t.Helper()
	const long = 5 * time.Minute // for a machine with other load
	if !within(w.t, long, func() bool {
		pending := 0
		for _, a := range w.accounts {
			pending += w.emulator.World().Pending(a)
		}
		return pending == 0
	}) {
		w.t.Fatalf("after %v not everything is heard", long)
	}
}

func (w *town) rows(chat int64) (texts []string) {
	w.t.Helper()
	if err := w.pool.QueryRow(w.t.Context(), `SELECT array_agg(body ORDER BY number) FROM messages WHERE chat_id = $1`, chat).Scan(&texts); err != nil {
		w.t.Fatal(err)
	}
	return texts
}

// compare compares what was said with what was stored.
func compare(t testing.TB, said, heard []string) faults {
	t.Helper()
	times := map[string]int{}
	for _, text := range said {
		times[text]++
	}
	var f faults
	for _, text := range heard {
		if times[text]--; times[text] < 0 {
			f.doubled++
		}
	}
	for _, n := range times {
		f.lost += max(n, 0)
	}
	for i := range heard {
		if f.lost == 0 && f.doubled == 0 && heard[i] != said[i] {
			f.disordered++
		}
	}
	if f != (faults{}) {
		t.Logf("%d said, %d heard: %+v", len(said), len(heard), f)
	}
	return f
}
