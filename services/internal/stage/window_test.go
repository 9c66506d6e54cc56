package stage

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBatchesAreGatheredOnlyWhereMoreAreComing(t *testing.T) {
	for name, tt := range map[string]struct {
		every, idle time.Duration // between statements, and since the last one
		rows        int
		want        time.Duration
	}{
		"a turn each 5 ms waits for nobody": {every: 5 * time.Millisecond, rows: 1},
		"as many in batches do neither":     {every: 40 * time.Millisecond, rows: 8},
		"more are gathered for":             {every: 5 * time.Millisecond, rows: 2, want: maxWindow},
		"unless it is quiet since":          {every: 5 * time.Millisecond, rows: 5, idle: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var last statement
				for range 2 {
					<-time.After(tt.every)
					last = last.next(tt.rows)
				}
				<-time.After(tt.idle)
				if got := last.window(); got != tt.want {
					t.Errorf("waits for %v, want %v", got, tt.want)
				}
			})
		})
	}
}
