// Package telemetry creates a service's log, metrics registry and traces.
package telemetry

import (
	"errors"
	"fmt"
	"net/url"

	"go.uber.org/zap/zapcore"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// LogConfig holds the log's level and format.
type LogConfig struct {
	Level  string `config:"level" doc:"least that is logged: debug, info, warn or error"`
	Format string `config:"format" enum:"auto,json,console" doc:"json, console, or auto: console on a terminal, json elsewhere"`
}

// Values of LogConfig.Format.
const (
	FormatAuto    = "auto"
	FormatJSON    = "json"
	FormatConsole = "console"
)

// DefaultLogConfig returns the level info, in the format that suits the output.
func DefaultLogConfig() LogConfig { return LogConfig{Level: "info", Format: FormatAuto} }

// Validate returns all mistakes, joined.
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

// TraceConfig holds the traces' destination.
type TraceConfig struct {
	// Headers for the collector, such as a key, are set by OTEL_EXPORTER_OTLP_HEADERS,
	// which the exporter reads itself.
	Endpoint string  `config:"endpoint" doc:"OTLP collector over HTTP, such as http://HOST:4318; empty for no traces" secret:"true"`
	Ratio    float64 `config:"ratio" min:"0" max:"1" doc:"part of the traces that is recorded, 0 to 1"`
}

// DefaultTraceConfig returns settings without a collector.
func DefaultTraceConfig() TraceConfig { return TraceConfig{Ratio: 1} }

// Validate returns all mistakes, joined.
func (c TraceConfig) Validate() error {
	var errs []error
	if u, err := url.Parse(c.Endpoint); c.Endpoint != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		errs = append(errs, errors.New("endpoint: want http://HOST:PORT or https://HOST:PORT"))
	}
	return errors.Join(append(errs, config.Check(c))...)
}
