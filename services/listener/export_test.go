package listener

import "context"

// Commands answers the commands that are due.
func (l *Listener) Commands(ctx context.Context) error { return l.commands(ctx) }
