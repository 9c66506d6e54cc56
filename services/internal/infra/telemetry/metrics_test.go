package telemetry_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	r := telemetry.NewRegistry(telemetry.Build{Version: "v1", Commit: "abc", Go: "go1"})
	want := "# HELP chorus_build_info Always 1; the labels say which build runs.\n# TYPE chorus_build_info gauge\n" +
		`chorus_build_info{commit="abc",go="go1",version="v1"} 1` + "\n"
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "chorus_build_info"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(r, "go_goroutines", "process_start_time_seconds"); err != nil || n != 2 {
		t.Errorf("there are %d of 2 metrics, %v", n, err)
	}
}

func TestReadBuild(t *testing.T) {
	t.Parallel()
	if b := telemetry.ReadBuild(); b.Go != runtime.Version() || b.Version == "" || b.Commit == "" {
		t.Errorf("the build is %+v", b)
	}
}
