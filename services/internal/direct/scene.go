package direct

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/names"
)

// Scene describes what happens in a chat for a while.
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
	// longestScene limits a scene: something longer belongs in the chat's purpose.
	longestScene = 7 * 24 * time.Hour
)

const lockScene = `SELECT FROM chats WHERE id = $1 FOR NO KEY UPDATE`

// checked calls check with the chat's current scene, and locks it until the end of the transaction.
// A nil check allows the change.
func checked(ctx context.Context, tx pgx.Tx, chat int64, check func(*Scene) error) error {
	if check == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, lockScene, chat); err != nil {
		return fmt.Errorf("lock a scene: %w", err)
	}
	s, err := readScene(ctx, tx, chat)
	if err != nil {
		return err
	}
	return check(s)
}

// SetScene replaces the scene of a chat. It first calls check, if not nil, with the current scene.
func (d *Director) SetScene(ctx context.Context, chat int64, text, by string, length time.Duration, check func(*Scene) error) error {
	text = names.Line(names.Text(text), 0)
	if n := len([]rune(text)); n == 0 || n > maxScene {
		return wrong("text", text, fmt.Sprintf("1 to %d characters", maxScene))
	}
	if length < minScene || length > longestScene {
		return wrong("for", length.String(), "1m to 168h")
	}
	if chat == 0 {
		return ErrNone // a scene belongs to one chat
	}
	return d.change(ctx, chat, 0, func(tx pgx.Tx) error {
		if err := checked(ctx, tx, chat, check); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, putScene, chat, text, by, length); err != nil {
			return fmt.Errorf("begin a scene: %w", err)
		}
		return nil
	})
}

// EndScene ends the scene of a chat. It returns RefusedError if there is none.
func (d *Director) EndScene(ctx context.Context, chat int64, check func(*Scene) error) error {
	return d.change(ctx, chat, 0, func(tx pgx.Tx) error {
		if err := checked(ctx, tx, chat, check); err != nil {
			return err
		}
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

// Scene returns the current scene of a chat; nil for none.
func (d *Director) Scene(ctx context.Context, chat int64) (*Scene, error) {
	return readScene(ctx, d.Pool, chat)
}

func readScene(ctx context.Context, db store.DB, chat int64) (*Scene, error) {
	s := &Scene{}
	err := db.QueryRow(ctx, scene, chat).Scan(&s.Text, &s.By, &s.Begins, &s.Ends)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // no scene
	case err != nil:
		return nil, fmt.Errorf("read the scene: %w", err)
	}
	return s, nil
}
