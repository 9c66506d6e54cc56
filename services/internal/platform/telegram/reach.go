package telegram

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Reach asks whether the Bot API's host answers at all, whatever it says, over a new
// connection and without a token. If it doesn't, idle connections are closed: what
// came of the way to the host may have come of them, too, and a call over a dead one
// would end with an unknown outcome.
func (c *Client) Reach(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("reach Telegram: %s", reason(err)) //nolint:err113 // the error has the address
	}
	resp, err := c.fresh.Do(req)
	if err != nil {
		c.http.CloseIdleConnections()
		return errors.New(reason(err)) //nolint:err113 // the error has the address
	}
	_ = resp.Body.Close() // nobody reads it
	return nil
}
