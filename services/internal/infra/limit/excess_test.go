package limit_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/limit"
)

// granted is a granted call. It was made between Least and Most: the times before and after
// the request, plus the wait.
type granted struct{ Least, Most time.Time }

// excess returns a window with certainly more calls than a bucket allows; empty for none.
func excess(calls []granted, r limit.Rate) string {
	calls = slices.Clone(calls)
	slices.SortFunc(calls, func(a, b granted) int { return a.Least.Compare(b.Least) })
	for i, first := range calls {
		end := first.Most
		for j, last := range calls[i:] {
			if last.Most.After(end) {
				end = last.Most
			}
			length := end.Sub(first.Least)
			if n, most := j+1, int((length+r.Ahead)/r.Every)+1; n > most {
				return fmt.Sprintf("%d calls within %v, want %d at most", n, length, most)
			}
		}
	}
	return ""
}
