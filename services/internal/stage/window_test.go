package stage

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBatchesAreGatheredOnlyWhereMoreAreComing(t *testing.T) {
	for name, tt := range map[string]struct {
		took, every, idle time.Duration // of the statements, between them, since the last
		rows              int
		want              time.Duration
	}{
		"a turn each 5 ms waits for nobody": {took: time.Millisecond, every: 5 * time.Millisecond, rows: 1},
		"as many in batches do neither":     {took: 2 * time.Millisecond, every: 40 * time.Millisecond, rows: 8},
		"many are gathered for":             {took: 2 * time.Millisecond, every: 5 * time.Millisecond, rows: 5, want: 4 * time.Millisecond},
		"but not for long":                  {took: 20 * time.Millisecond, every: 30 * time.Millisecond, rows: 60, want: maxWindow},
		"unless it is quiet since":          {took: 2 * time.Millisecond, every: 5 * time.Millisecond, rows: 5, idle: 8 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var last statement
				for range 2 {
					<-time.After(tt.every - tt.took)
					began := time.Now()
					<-time.After(tt.took)
					last = last.next(began, tt.rows)
				}
				<-time.After(tt.idle)
				if got := last.window(); got != tt.want {
					t.Errorf("waits for %v, want %v", got, tt.want)
				}
			})
		})
	}
}
