package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
)

const (
	token  = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
	hidden = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
)

func logger(t *testing.T, level, format string) (*zap.Logger, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	log, err := telemetry.NewLogger(telemetry.LogConfig{Level: level, Format: format}, &out)
	if err != nil {
		t.Fatal(err)
	}
	return log, &out
}

func TestLogIsJSONWhereNobodyReads(t *testing.T) {
	t.Parallel()
	log, out := logger(t, "warn", telemetry.FormatAuto)
	log.Info("not this")
	log.Warn("this", zap.Int64("chat", -100))
	var entry map[string]any
	if err := json.Unmarshal(out.Bytes(), &entry); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if entry["time"] == nil {
		t.Error("there is no time")
	}
	delete(entry, "time")
	if diff := cmp.Diff(map[string]any{"level": "warn", "msg": "this", "chat": -100.0}, entry); diff != "" {
		t.Error(diff)
	}
}

func TestLogConsole(t *testing.T) {
	t.Parallel()
	log, out := logger(t, "debug", telemetry.FormatConsole)
	log.Debug("this", zap.Int64("chat", -100))
	if !strings.HasSuffix(out.String(), "\tDEBUG\tthis\t{\"chat\": -100}\n") {
		t.Errorf("it says %s", out)
	}
}

func TestNoTokenInTheLog(t *testing.T) {
	t.Parallel()
	err := errors.New("POST https://api.telegram.org/bot" + token + "/getMe: EOF")
	for _, format := range []string{telemetry.FormatJSON, telemetry.FormatConsole} {
		log, out := logger(t, "debug", format)
		log = log.With(zap.String("with", token)).Named(token)
		log.Error(token, zap.String("string", token), zap.Error(err), zap.Any("any", struct{ T string }{token}),
			zap.Strings("strings", []string{token}), zap.ByteString("bytes", []byte(token)), zap.String(token, "key"), zap.Stack("stack"))
		if strings.Contains(out.String(), hidden) {
			t.Errorf("%s shows the token: %s", format, out)
		}
		if got := strings.Count(out.String(), "110201543:***"); got != 9 {
			t.Errorf("%s shows %d masks, want 9: %s", format, got, out)
		}
	}
}

func TestWithTrace(t *testing.T) {
	t.Parallel()
	log, out := logger(t, "info", telemetry.FormatJSON)
	telemetry.WithTrace(t.Context(), log).Info("outside")
	if strings.Contains(out.String(), "trace_id") {
		t.Errorf("there is a trace in %s", out)
	}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	telemetry.WithTrace(trace.ContextWithSpanContext(t.Context(), span), log).Info("inside")
	if want := `"trace_id":"01000000000000000000000000000000","span_id":"0200000000000000"`; !strings.Contains(out.String(), want) {
		t.Errorf("there is no %s in %s", want, out)
	}
}
