package cache_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A Redis that answers reads and refuses writes is logged once, with the reason, and isn't
// used on and off.
func TestAReplicaIsNotUsed(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	if err := client(t, url).ReplicaOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	core, seen := observer.New(zap.InfoLevel)
	s := newSource()
	r := &replica{t: t, metrics: prometheus.NewRegistry()}
	r.Cache = cache.NewHasty(cache.DefaultConfig(), client(t, url), 5*time.Millisecond, nil, zap.New(core))
	r.pages = cache.NewKind(r.Cache, s.spec())
	r.stop = testenv.Background(t, r.Run)
	r.listen()
	lines := func() (n int, reason string) {
		all := seen.FilterMessageSnippet("Redis").All()
		if len(all) > 0 {
			reason, _ = all[0].ContextMap()["error"].(string)
		}
		return len(all), reason
	}
	for i := id(1); i <= 200; i++ { // far more often than Redis is tried
		s.set(i, page{"some", int(i)})
		r.want(i, page{"some", int(i)})
	}
	if n, reason := lines(); n != 1 || !strings.Contains(reason, "is a replica") || r.Shared() {
		t.Errorf("%d lines (%q), in use %v; want one that says that it is a replica, and that it isn't used", n, reason, r.Shared())
	}
	if err := client(t, url).ReplicaOf(t.Context(), "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is in use again", r.Shared)
	eventually(t, "the log says so", func() bool { n, _ := lines(); return n == 2 })
}
