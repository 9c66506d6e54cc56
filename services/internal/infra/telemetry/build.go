package telemetry

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// version and commit are set by the linker, because an image is built where git
// and its history are missing. What it leaves empty, Go's own record fills in.
//
//nolint:gochecknoglobals // the linker can set nothing else
var version, commit string

// Build is which program this is.
type Build struct {
	// Version is the latest tag before the commit it was built from and the
	// distance to it; "(devel)" where neither the Makefile nor Go recorded one.
	Version string
	// Commit is the commit it was built from; "unknown" where that was not
	// recorded.
	Commit string
	// Go is the toolchain's version.
	Go string
}

// ReadBuild looks into the running program.
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

// revision is the commit that Go found in the build's folder, "" if none.
func revision(settings []debug.BuildSetting) string {
	for _, s := range settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// NewRegistry makes a registry that has metrics of the Go runtime, the process
// and, as chorus_build_info, the build.
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
