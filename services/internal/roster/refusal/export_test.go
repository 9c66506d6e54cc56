package refusal

import "context"

// Round makes the tries that are due.
func (l *Looker) Round(ctx context.Context) error { return l.round(ctx) }
