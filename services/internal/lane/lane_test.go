package lane

import (
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOrderByKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 200).Draw(t, "keys")
		var g Group[int]
		var mu sync.Mutex
		got := map[int][]int{}
		want := map[int][]int{}
		for i, k := range keys {
			want[k] = append(want[k], i)
			g.Push(k, func() {
				mu.Lock()
				defer mu.Unlock()
				got[k] = append(got[k], i)
			})
		}
		g.Wait()
		for k := range want {
			for i := range want[k] {
				if len(got[k]) <= i || got[k][i] != want[k][i] {
					t.Fatalf("key %d ran %v, want %v", k, got[k], want[k])
				}
			}
		}
		if lanes, tasks := g.Len(); lanes != 0 || tasks != 0 {
			t.Fatalf("%d lanes and %d tasks are left", lanes, tasks)
		}
	})
}

func TestOneLaneDoesNotHoldAnother(t *testing.T) {
	var g Group[string]
	held, release := make(chan struct{}), make(chan struct{})
	g.Push("slow", func() { close(held); <-release })
	<-held
	done := make(chan struct{})
	g.Push("fast", func() { close(done) })
	<-done
	if lanes, _ := g.Len(); lanes < 1 {
		t.Error("the slow lane is gone while its task runs")
	}
	close(release)
	g.Wait()
}
