package listener

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

const (
	// One listener at a time tidies. The number is arbitrary.
	tidyLock = `SELECT pg_try_advisory_lock(7230501894619)`

	chatsToTidy = `SELECT id FROM chats ORDER BY id`
	// Messages are deleted in batches, in the order of the index of their times.
	deleteMessages = `
DELETE FROM messages WHERE chat_id = $1 AND number = ANY(ARRAY(
    SELECT number FROM messages
    WHERE chat_id = $1 AND sent_at < (SELECT now() - make_interval(days => retention_days) FROM chats WHERE id = $1)
    ORDER BY sent_at LIMIT $2))`
	// People without messages. A person whose message is being written has a new seen_at.
	deletePeople = `
DELETE FROM people p WHERE seen_at < now() - interval '1 day' AND NOT EXISTS (SELECT FROM messages m WHERE m.person_id = p.telegram_id)`

	// Telegram repeats an update for up to a day.
	deleteHeard  = `DELETE FROM heard WHERE heard_at < now() - interval '2 days'`
	deleteEvents = `DELETE FROM heard_events WHERE heard_at < now() - interval '2 days'`
	// The limits count the answers of the last hour. Reasons for missing answers are shown
	// for a month.
	deleteAnswers   = `DELETE FROM answers WHERE planned_at < now() - interval '2 hours'`
	deleteSkips     = `DELETE FROM prompt_skips WHERE day < (now() AT TIME ZONE 'UTC')::date - 30`
	deleteForgotten = `DELETE FROM forgotten WHERE at < now() - interval '2 days' AND marks IS NULL`
)

// resumeAfter is longer than an erasure takes. The command itself is retried sooner; this
// resumes an erasure whose command was deleted with its chat.
const resumeAfter = 10 * time.Minute

// tidyBatch limits the messages that one statement deletes.
const tidyBatch = 2000

// tidy deletes what is older than it may be kept, every cfg.Tidy until the context ends.
func (l *Listener) tidy(ctx context.Context) error {
	tick := time.NewTicker(l.cfg.Tidy)
	defer tick.Stop()
	for {
		l.note(ctx, l.tidyOnce(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-l.erased:
		}
	}
}

func (l *Listener) tidyOnce(ctx context.Context) error {
	acquiring, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	session, err := store.NewSession(acquiring, l.Pool, nil)
	if err != nil {
		return err
	}
	defer session.Close(ctx) // also releases the lock
	var mine bool
	if err := session.QueryRow(acquiring, tidyLock).Scan(&mine); err != nil || !mine {
		return err
	}
	if err := l.deleteByChat(ctx); err != nil {
		return err
	}
	// An erasure that fails repeatedly doesn't stop the deletions.
	errs := []error{l.erasure().Resume(ctx, resumeAfter)}
	for _, sql := range []string{deleteHeard, deleteEvents, deleteAnswers, deleteSkips, deleteForgotten, deletePeople} {
		_, err := l.delete(ctx, sql)
		errs = append(errs, err)
	}
	if err := people.Vacuum(ctx, l.Pool); err != nil && ctx.Err() == nil {
		l.Log.Warn("the space of what was erased is not given free: it is tried again later", zap.Error(err))
	}
	return errors.Join(errs...)
}

// deleteByChat deletes what is older than its chat's retention.
func (l *Listener) deleteByChat(ctx context.Context) error {
	looking, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	chats, err := store.Collect(looking, l.Pool, "find chats", pgx.RowTo[int64], chatsToTidy)
	if err != nil {
		return err
	}
	for _, chat := range chats {
		err := inPieces(func() (int64, error) { return l.delete(ctx, deleteMessages, chat, tidyBatch) })
		if err != nil {
			return err
		}
		err = inPieces(func() (int64, error) {
			deleting, cancel := context.WithTimeout(ctx, store.Timeout)
			defer cancel()
			return l.journal.DeleteOld(deleting, chat, tidyBatch)
		})
		if err != nil {
			return err
		}
		keep := settings.KeepDraftsFor.Of(l.Settings.Current(), chat, 0)
		err = inPieces(func() (int64, error) {
			deleting, cancel := context.WithTimeout(ctx, store.Timeout)
			defer cancel()
			return l.journal.DeleteOldDrafts(deleting, chat, keep, tidyBatch)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inPieces deletes batches until one is not full.
func inPieces(piece func() (int64, error)) error {
	for {
		n, err := piece()
		if err != nil || n < tidyBatch {
			return err
		}
	}
}

func (l *Listener) delete(ctx context.Context, sql string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	tag, err := l.Pool.Exec(ctx, sql, args...)
	if err != nil {
		return 0, fmt.Errorf("delete what is too old: %w", err)
	}
	return tag.RowsAffected(), nil
}
