package telemetry

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// version and commit are set by the linker, because an image is built without git and its
// history. Go's build info replaces empty ones.
//
//nolint:gochecknoglobals // the linker can set nothing else
var version, commit string

// Build identifies the running program.
type Build struct {
	// Version is the latest tag before the build's commit and the distance to it; "(devel)"
	// if neither the Makefile nor Go recorded one.
	Version string
	// Commit is the build's commit; "unknown" if it wasn't recorded.
	Commit string
	// Go is the toolchain's version.
	Go string
}

// ReadBuild returns the running program's build.
func ReadBuild() Build {
	b := Build{Version: version, Commit: commit, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = cmp.Or(b.Version, info.Main.Version)
		b.Commit = cmp.Or(b.Commit, revision(info.Settings))
	}
	b.Version = cmp.Or(b.Version, "(devel)")
	b.Commit = cmp.Or(b.Commit, "unknown")
	return b
}

// revision returns the commit that Go recorded, "" if none.
func revision(settings []debug.BuildSetting) string {
	for _, s := range settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// NewRegistry returns a registry with metrics of the Go runtime, the process and, as
// chorus_build_info, the build.
func NewRegistry(build Build) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chorus_build_info", Help: "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "go": build.Go},
	}, func() float64 { return 1 })
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		info,
	)
	return r
}
