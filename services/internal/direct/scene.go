package direct

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Scene is what happens in a chat for a while.
type Scene struct {
	Text   string    `json:"text"`
	By     string    `json:"by"`
	Begins time.Time `json:"begins_at"`
	Ends   time.Time `json:"ends_at"`
}

const (
	putScene = `-- direct: begin a scene
INSERT INTO scenes (chat_id, body, by, ends_at) VALUES ($1, $2, $3, now() + $4::interval)
ON CONFLICT (chat_id) DO UPDATE SET body = EXCLUDED.body, by = EXCLUDED.by, begins_at = now(), ends_at = EXCLUDED.ends_at`
	endScene = `DELETE FROM scenes WHERE chat_id = $1 AND ends_at > now()`
	scene    = `SELECT body, by, begins_at, ends_at FROM scenes WHERE chat_id = $1 AND ends_at > now()`
)

const (
	maxScene = 300 // characters, as in the database
	minScene = time.Minute
	// longestScene bounds a scene, which else would be what the chat is about.
	longestScene = 7 * 24 * time.Hour
)

// SetScene has something happen in a chat, in place of what happened there.
func (d *Director) SetScene(ctx context.Context, chat int64, text, by string, length time.Duration) error {
	text = names.Line(names.Text(text), 0)
	if n := len([]rune(text)); n == 0 || n > maxScene {
		return wrong("text", text, fmt.Sprintf("1 to %d characters", maxScene))
	}
	if length < minScene || length > longestScene {
		return wrong("for", length.String(), "1m to 168h")
	}
	return d.change(ctx, chat, 0, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, putScene, chat, text, by, length); err != nil {
			return fmt.Errorf("begin a scene: %w", err)
		}
		return nil
	})
}

// EndScene ends what happens in a chat. It gives RefusedError where nothing does.
func (d *Director) EndScene(ctx context.Context, chat int64) error {
	return d.change(ctx, chat, 0, func(tx pgx.Tx) error {
		ended, err := tx.Exec(ctx, endScene, chat)
		switch {
		case err != nil:
			return fmt.Errorf("end a scene: %w", err)
		case ended.RowsAffected() == 0:
			return RefusedError("no scene is played there")
		}
		return nil
	})
}

// Scene is what happens in a chat now; nil for nothing.
func (d *Director) Scene(ctx context.Context, chat int64) (*Scene, error) {
	s := &Scene{}
	err := d.Pool.QueryRow(ctx, scene, chat).Scan(&s.Text, &s.By, &s.Begins, &s.Ends)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // nothing happens
	case err != nil:
		return nil, fmt.Errorf("read the scene: %w", err)
	}
	return s, nil
}
