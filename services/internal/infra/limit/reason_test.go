package limit_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A Redis that responds but can't be used causes one warning with the reason, however many
// calls there are, and one line when it can be used again.
func TestTheWarningTellsTheReason(t *testing.T) {
	t.Parallel()
	server := testenv.RedisServer(t)
	redis := client(t, server.URL())
	if err := redis.ReplicaOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	core, seen := observer.New(zap.InfoLevel)
	l := limit.NewShared(limit.NewRedis(redis, window), limit.NewLocal(window, nil), patience, nil, zap.New(core))
	rate := limit.NewRate(1e6, time.Second, 1000, 0)
	reserve := func() {
		if _, err := l.Reserve(t.Context(), limit.Call{Bot: 1, Chat: 1, OfBot: rate}, 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // opens the breaker; later calls are probes
		for range 50 {
			reserve()
		}
		limit.Probe(l)
	}
	if all := seen.All(); len(all) != 1 || all[0].Level != zap.WarnLevel || !strings.Contains(all[0].ContextMap()["error"].(string), "is a replica") { //nolint:forcetypeassert // it is one
		t.Fatalf("%d lines, want one that says it is a replica: %+v", len(all), all)
	}
	if err := redis.ReplicaOf(t.Context(), "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
	limit.Probe(l)
	reserve()
	if all := seen.All(); len(all) != 2 || all[1].Level != zap.InfoLevel {
		t.Fatalf("%d lines, want a second one that says it is back: %+v", len(all), all)
	}
}
