package limit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// BenchmarkReserve prints the cost of taking a message's tokens.
func BenchmarkReserve(b *testing.B) {
	url := testenv.Redis(b)
	for name, l := range map[string]limit.Limiter{
		"local":  limit.NewLocal(time.Second, nil),
		"redis":  limit.NewRedis(client(b, url), time.Second),
		"shared": shared(b, url, 1),
	} {
		b.Run(name, func(b *testing.B) {
			rate := limit.NewRate(1000, time.Millisecond, 1000, 0)
			b.ReportAllocs()
			for i := int64(0); b.Loop(); i++ {
				v, err := l.Reserve(b.Context(), limit.Call{Bot: i % 100, Chat: i % 10_000, OfBot: rate, InChat: []limit.Rate{rate, rate}}, 0)
				if err != nil || !v.Granted {
					b.Fatal(v, err)
				}
			}
			fmt.Printf("figure limit.reserve_%s_us %.2f us\n", name, float64(b.Elapsed().Microseconds())/float64(b.N))
		})
	}
}
