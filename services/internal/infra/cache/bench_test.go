package cache_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// row is about as long as a persona.
var row = page{strings.Repeat("A persona is like this. ", 20), 1}

// BenchmarkHit prints the cost of a hit in the process.
func BenchmarkHit(b *testing.B) {
	s := newSource()
	s.set(1, row)
	r := newReplica(b, "", s, patience)
	r.listen()
	get := func() {
		if _, found, err := r.pages.Get(b.Context(), 1); !found || err != nil {
			b.Fatal(found, err)
		}
	}
	get()
	if n := testing.AllocsPerRun(1000, get); n != 0 {
		b.Errorf("%v allocations, want none", n)
	}
	// The median of many batches, because other processes disturb some.
	const batch = 1000
	ctx := b.Context()
	var batches []time.Duration
	for b.Loop() {
		batches = append(batches, took(func() {
			for range batch {
				_, _, _ = r.pages.Get(ctx, 1)
			}
		}))
	}
	fmt.Printf("figure cache.l1_ns %.1f ns\n", float64(median(batches).Nanoseconds())/batch)
}

// BenchmarkSharedHit prints the cost of a value from Redis, compared with the client's own
// GET of the same bytes. Both are measured in turn, and the medians compared, so that a
// busy machine slows both.
func BenchmarkSharedHit(b *testing.B) {
	const values = 5000
	url := testenv.Redis(b)
	s := newSource()
	all := make([]id, values)
	for i := range all {
		all[i] = id(i + 1)
		s.set(all[i], row)
	}
	first := newReplica(b, url, s, patience)
	first.listen()
	for some := range slices.Chunk(all, 500) {
		if _, err := first.pages.GetAll(b.Context(), some); err != nil {
			b.Fatal(err)
		}
	}
	c := client(b, url)
	text, err := json.Marshal(row)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Set(b.Context(), "bare", text, 0).Err(); err != nil {
		b.Fatal(err)
	}
	var bare, shared []time.Duration
	for b.Loop() {
		// The replica is empty and reads each value once.
		r := newReplica(b, url, s, patience)
		end := r.listen()
		for _, key := range all {
			bare = append(bare, took(func() { get(b, c) }))
			shared = append(shared, took(func() {
				if _, found, err := r.pages.Get(b.Context(), key); !found || err != nil {
					b.Fatal(found, err)
				}
			}))
		}
		end()
		r.stop()
	}
	if got := s.keys.Load(); got != values {
		b.Errorf("the source was read for %d values, want %d", got, values)
	}
	ratio := float64(median(shared)) / float64(median(bare))
	fmt.Printf("figure cache.l2_us %.1f us\n", float64(median(shared).Nanoseconds())/1000)
	fmt.Printf("figure cache.l2_vs_bare_ratio %.2f ratio\n", ratio)
}

func get(b *testing.B, c *redis.Client) {
	b.Helper()
	if err := c.Get(b.Context(), "bare").Err(); err != nil {
		b.Fatal(err)
	}
}

func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
