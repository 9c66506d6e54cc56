package telemetry

import (
	"context"
	"fmt"
	"io"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry/redact"
)

// NewLogger returns a log that writes to w, usually os.Stderr. It masks whatever looks like
// a bot token, or a password in a URL, as ***: in messages, fields, errors and stacks. It
// is safe for concurrent use. Each entry is one write.
func NewLogger(cfg LogConfig, w io.Writer) (*zap.Logger, error) {
	level, err := parseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("make the log: %w", err)
	}
	encoder := zapcore.NewJSONEncoder(jsonFormat())
	if cfg.Format == FormatConsole || (cfg.Format == FormatAuto && isTerminal(w)) {
		encoder = zapcore.NewConsoleEncoder(consoleFormat())
	}
	out := zapcore.Lock(redacting{zapcore.AddSync(w), redact.New()})
	// Errors of logging itself must be redacted, too.
	return zap.New(zapcore.NewCore(encoder, out, level), zap.ErrorOutput(out)), nil
}

// WithTrace returns a log whose entries have the trace and span ids of a context. If the
// context has none, it returns log.
func WithTrace(ctx context.Context, log *zap.Logger) *zap.Logger {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return log
	}
	return log.WithLazy(zap.Stringer("trace_id", span.TraceID()), zap.Stringer("span_id", span.SpanID()))
}

func jsonFormat() zapcore.EncoderConfig {
	c := zap.NewProductionEncoderConfig()
	c.TimeKey, c.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	c.EncodeDuration = zapcore.StringDurationEncoder
	return c
}

func consoleFormat() zapcore.EncoderConfig {
	c := zap.NewDevelopmentEncoderConfig()
	c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	c.EncodeLevel = zapcore.CapitalLevelEncoder
	c.EncodeDuration = zapcore.StringDurationEncoder
	return c
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// redacting masks encoded entries, because nothing can bypass that: a core would see
// neither the content of a zap.Any nor the text of a stack.
type redacting struct {
	zapcore.WriteSyncer

	redactor redact.Redactor
}

func (r redacting) Write(entry []byte) (int, error) {
	if _, err := r.WriteSyncer.Write(r.redactor.Bytes(entry)); err != nil {
		return 0, fmt.Errorf("write the log: %w", err)
	}
	return len(entry), nil
}
