package telemetry

import (
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Build is which program this is.
type Build struct {
	// Version is the module's version, "(devel)" in a checkout.
	Version string
	// Commit is the commit it was built from, with "+dirty" after it if files were
	// changed; "unknown" where that was not recorded.
	Commit string
	// Go is the toolchain's version.
	Go string
}

// ReadBuild looks into the running program.
func ReadBuild() Build {
	b := Build{Version: "(devel)", Commit: "unknown", Go: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Go = info.GoVersion
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && s.Value != "":
			b.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	b.Commit += dirty
	return b
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
