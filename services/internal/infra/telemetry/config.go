// Package telemetry makes what a service reports itself with: its log, its
// metrics registry and its traces.
package telemetry

import (
	"errors"
	"fmt"
	"net/url"

	"go.uber.org/zap/zapcore"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  string `config:"level" doc:"least that is logged: debug, info, warn or error"`
	Format string `config:"format" enum:"auto,json,console" doc:"json, console, or auto: console on a terminal, json elsewhere"`
}

// How a log is written.
const (
	FormatAuto    = "auto"
	FormatJSON    = "json"
	FormatConsole = "console"
)

// DefaultLogConfig logs from info on, readable by who is there to read.
func DefaultLogConfig() LogConfig { return LogConfig{Level: "info", Format: FormatAuto} }

// Validate joins everything that is wrong.
func (c LogConfig) Validate() error {
	_, err := parseLevel(c.Level)
	return errors.Join(err, config.Check(c))
}

func parseLevel(text string) (zapcore.Level, error) {
	switch text {
	case "debug", "info", "warn", "error":
		return zapcore.ParseLevel(text) //nolint:wrapcheck // it takes each of these
	}
	return 0, fmt.Errorf("level: %q, want debug, info, warn or error", text)
}

// TraceConfig says where traces go.
type TraceConfig struct {
	// Headers for the collector, such as a key, stand in OTEL_EXPORTER_OTLP_HEADERS,
	// which the exporter reads itself.
	Endpoint string  `config:"endpoint" doc:"OTLP collector over HTTP, such as http://HOST:4318; empty for no traces" secret:"true"`
	Ratio    float64 `config:"ratio" min:"0" max:"1" doc:"part of the traces that is recorded, 0 to 1"`
}

// DefaultTraceConfig sends nothing anywhere.
func DefaultTraceConfig() TraceConfig { return TraceConfig{Ratio: 1} }

// Validate joins everything that is wrong.
func (c TraceConfig) Validate() error {
	var errs []error
	if u, err := url.Parse(c.Endpoint); c.Endpoint != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		errs = append(errs, errors.New("endpoint: want http://HOST:PORT or https://HOST:PORT"))
	}
	return errors.Join(append(errs, config.Check(c))...)
}
