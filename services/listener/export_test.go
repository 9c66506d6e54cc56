package listener

import "context"

// Commands answers the commands that are due.
func (l *Listener) Commands(ctx context.Context) error { return l.commands(ctx) }

// Approve does all that is due of texts that wait for operators.
func (l *Listener) Approve(ctx context.Context) error { return l.approve(ctx) }
