package chain

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/chorus-cast/chorus/services/internal/usage"
)

// traceCall records a call that has ended in the trace of what it was made for, by
// the names that OpenTelemetry has for calls to models:
// https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
func traceCall(ctx context.Context, c usage.Call, err error) {
	turn := trace.SpanFromContext(ctx)
	if !turn.IsRecording() {
		return
	}
	_, span := turn.TracerProvider().Tracer("llm").Start(ctx, "generate text",
		trace.WithTimestamp(c.At), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("gen_ai.provider.name", c.Provider),
			attribute.String("gen_ai.response.model", c.Model),
			attribute.Int("gen_ai.usage.input_tokens", c.PromptTokens),
			attribute.Int("gen_ai.usage.output_tokens", c.CompletionTokens),
			attribute.String("chorus.purpose", string(c.Purpose)),
			attribute.String("chorus.outcome", c.Outcome),
		))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End(trace.WithTimestamp(c.At.Add(c.Latency)))
}
