package command_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/ops"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestCache(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "club", bot)
	url := testenv.Redis(t)
	o := on{t, pool.Config().ConnString()}

	// A process with a cache, and its operators' port.
	client, err := redisdb.Open(redisdb.Config{URL: url, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	metrics := prometheus.NewRegistry()
	c := cache.New(cache.Config{Size: 1}, client, cache.NewMetrics(metrics), zap.NewNop())
	r := rostercache.New(pool, c)
	testenv.Background(t, c.Run)
	testenv.Background(t, listen.New(pool, zap.NewNop(), cachepg.New(pool, c, zap.NewNop()).Channel()).Run)
	server, err := ops.Open(t.Context(), ops.Config{Listen: "127.0.0.1:0"}, metrics, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	testenv.Background(t, server.Run)
	testenv.Eventually(t, "the cache is ready", func() (string, bool) { return "", c.Shared() })
	casts := func() {
		if _, err := r.Cast(t.Context(), rostercache.ChatID(chat)); err != nil {
			t.Fatal(err)
		}
	}

	const nothing = "Redis does not have it: nobody asked lately, or it was just changed.\n"
	get := []string{"cache", "get", "chat.cast", "club", "--redis.url=" + url}
	o.prints(nothing, get...)
	casts()
	if got := o.call(get...); !regexp.MustCompile(`^\{"\d+":""\}  # for another (10m0|9m\d+)s\n$`).MatchString(got) {
		t.Errorf("got %q", got)
	}
	for _, args := range [][]string{{"chat.cast", "club"}, {"chat.cast"}, {"chat", "club"}, {"--all"}} {
		casts()
		o.prints("", append([]string{"cache", "invalidate"}, args...)...)
		testenv.Eventually(t, "it is forgotten", func() (string, bool) {
			got := o.call(get...)
			return got, got == nothing
		})
	}
	if _, _, err := r.Persona(t.Context(), 1<<40); err != nil {
		t.Fatal(err)
	}

	got := chorus("cache", "stats", server.Addr().String())
	if got.Code != 0 || !strings.HasPrefix(got.Out, server.Addr().String()+": hears of changes; shared through Redis.\n") ||
		!regexp.MustCompile(`(?m)^ *chat\.cast( +\d+){5} +\d+\.\d % +[1-5] +[0-9.]+[mµ]s +0 +5 +0 *$`).MatchString(got.Out) {
		t.Errorf("got %+v", got)
	}
	o.refuses(`"bot.mood" is no kind, want one of bot.holdings, bot.persona, bot.profile, bot.stances, chat.cast, chat.profile`, "cache", "get", "bot.mood", "anna", "--redis.url="+url)
	o.refuses(`"nosuch" is no chat in the roster`, "cache", "get", "chat.cast", "nosuch", "--redis.url="+url)
	o.refuses(`redis.url: is empty: without Redis, processes share nothing`, "cache", "get", "chat.cast", "club")
	o.refuses(`"nosuch" is no bot in the roster`, "cache", "invalidate", "bot", "nosuch")
	o.refuses(`want a KIND, or --all`, "cache", "invalidate")
}
