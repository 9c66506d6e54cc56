package telemetry_test

import (
	"math"
	"testing"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]interface{ Validate() error }{
		"": telemetry.DefaultLogConfig(),
		`level: "loud", want debug, info, warn or error` + "\n" + `format: "xml", want auto, json or console`: telemetry.LogConfig{Level: "loud", Format: "xml"},
		"endpoint: want http://HOST:PORT or https://HOST:PORT":                                                telemetry.TraceConfig{Endpoint: "collector:4318"},
		"ratio: NaN, want a number from 0 to 1":                                                               telemetry.TraceConfig{Ratio: math.NaN()},
		"ratio: 1.5, want a number from 0 to 1":                                                               telemetry.TraceConfig{Ratio: 1.5},
	} {
		got := ""
		if err := config.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v: got %q, want %q", config, got, want)
		}
	}
	if err := telemetry.DefaultTraceConfig().Validate(); err != nil {
		t.Error(err)
	}
}
