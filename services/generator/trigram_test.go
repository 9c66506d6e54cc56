package generator

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// TestSimilarityIsThatOfPostgreSQL compares the two, so that nothing is left out
// that PostgreSQL would object to.
func TestSimilarityIsThatOfPostgreSQL(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	text := rapid.StringMatching(`([a-dA-D1-3]{0,4}[ .,'!-]{1,2}){0,8}`)
	rapid.Check(t, func(r *rapid.T) {
		a, b := text.Draw(r, "a"), text.Draw(r, "b")
		if rapid.Bool().Draw(r, "like a") {
			b = a + " " + b
		}
		var want float64
		if err := pool.QueryRow(t.Context(), `SELECT similarity($1, $2)`, a, b).Scan(&want); err != nil {
			r.Fatal(err)
		}
		mine, its := trigramsOf(a), trigramsOf(b)
		if got := mine.similarity(&its, 0); math.Abs(got-want) > 1e-6 {
			r.Errorf("%q and %q: %v, PostgreSQL says %v", a, b, got, want)
		}
		least := rapid.Float64Range(0, 1).Draw(r, "least")
		if got := mine.similarity(&its, least); want >= least && math.Abs(got-want) > 1e-6 {
			r.Errorf("%q and %q: %v, where it is at least %v, PostgreSQL says %v", a, b, got, least, want)
		}
	})
}
