package listener

import "context"

// Commands answers the due commands.
func (l *Listener) Commands(ctx context.Context) error { return l.commands(ctx) }

// Approve runs one round of approvals.
func (l *Listener) Approve(ctx context.Context) error { return l.approve(ctx) }
