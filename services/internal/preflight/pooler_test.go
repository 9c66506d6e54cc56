package preflight_test

import (
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// The remedy is about the pooler, not about PostgreSQL, which runs.
func TestTheWayThatAPoolerWorksIsTold(t *testing.T) {
	t.Parallel()
	dsn := testenv.Postgres(t)
	for mode, remedy := range map[string]string{"session": "", "transaction": "set pool_mode = session", "statement": "set pool_mode = session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cfg := store.DefaultConfig()
			cfg.URL = testenv.PgBouncer(t, dsn, "pool_mode = "+mode)
			pool, found := preflight.Database(t.Context(), cfg)
			if pool != nil {
				defer pool.Close()
			}
			if remedy == "" {
				if pool == nil || found[0].Status != preflight.OK {
					t.Errorf("found %+v", found)
				}
				return
			}
			if pool != nil || len(found) != 1 || found[0].Status != preflight.Failure || !strings.Contains(found[0].Remedy, remedy) {
				t.Errorf("found %+v", found)
			}
		})
	}
}
