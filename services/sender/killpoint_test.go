package sender_test

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
)

// stepsOf returns the steps of a statement: its name, or its effect on each row.
func stepsOf(q pgx.TraceQueryStartData) []string {
	name := killpoint.Name(q.SQL)
	if name != "step deliveries" {
		return []string{name}
	}
	var steps []string
	for _, arg := range q.Args {
		states, _ := arg.([]string)
		if slices.Contains(states, "claimed") {
			steps = append(steps, killpoint.Pause)
		}
		if slices.Contains(states, "sending") {
			steps = append(steps, killpoint.Begin)
		}
	}
	return steps
}

// callsTo returns middleware that reaches the kill points of calls to Telegram.
func callsTo(k *killpoint.Killer) func(telegram.Invoke) telegram.Invoke {
	return func(next telegram.Invoke) telegram.Invoke {
		return func(ctx context.Context, call *telegram.Call) telegram.Outcome {
			if step, known := map[string]string{"sendMessage": killpoint.Send, "setMessageReaction": killpoint.React}[call.Method]; known {
				defer k.Around(step)()
			}
			return next(ctx, call)
		}
	}
}
