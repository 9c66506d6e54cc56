package outbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
)

const (
	// batch is how many updates are published before the next ones are read.
	batch = 500
	// dbTimeout bounds each look into the database.
	dbTimeout = 10 * time.Second
	// certain is for how long the bus surely knows what it has. What is older may
	// have been published before the database could be told.
	certain = time.Minute
	// grace is how long an update is left to whoever wrote it down.
	grace = 2 * time.Second
)

const (
	unpublished = `
SELECT chat_id, number, payload, heard_at < now() - $3::interval
FROM updates WHERE chat_id = ANY($1) AND published_at IS NULL ORDER BY chat_id, number LIMIT $2`
	leftOver = `SELECT DISTINCT chat_id FROM updates WHERE published_at IS NULL AND heard_at < now() - $1::interval LIMIT $2`
	mark     = `
UPDATE updates u SET published_at = now(), payload = NULL, bus_sequence = nullif(m.sequence, 0)
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS m(chat_id, number, sequence)
WHERE u.chat_id = m.chat_id AND u.number = m.number AND u.published_at IS NULL`
)

// update is a row that is not published.
type update struct {
	Chat, Number int64
	Payload      []byte
	Old          bool
	sequence     uint64
}

// sweep publishes what a crash or an outage left over.
func (o *Outbox) sweep(ctx context.Context) error {
	if o.bus.Ready(ctx) != nil {
		return nil // it is published when the bus is back
	}
	looking, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	rows, err := o.pool.Query(looking, leftOver, grace, batch)
	if err != nil {
		return fmt.Errorf("find updates that were left over: %w", err)
	}
	chats, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("find updates that were left over: %w", err)
	}
	return o.publish(ctx, chats)
}

// publish publishes all that is committed in chats.
func (o *Outbox) publish(ctx context.Context, chats []int64) error {
	for len(chats) > 0 {
		if err := o.bus.Ready(ctx); err != nil {
			return err
		}
		updates, err := o.read(ctx, chats)
		if err != nil {
			return err
		}
		published, err := o.send(ctx, updates)
		if err := errors.Join(err, o.mark(ctx, published)); err != nil {
			return err
		}
		if len(updates) < batch {
			return nil
		}
	}
	return nil
}

func (o *Outbox) read(ctx context.Context, chats []int64) ([]*update, error) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	rows, err := o.pool.Query(ctx, unpublished, chats, batch, certain)
	if err != nil {
		return nil, fmt.Errorf("read updates: %w", err)
	}
	updates, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*update, error) {
		var u update
		return &u, row.Scan(&u.Chat, &u.Number, &u.Payload, &u.Old)
	})
	if err != nil {
		return nil, fmt.Errorf("read updates: %w", err)
	}
	return updates, nil
}

// send puts updates on the bus: in rounds, each with the next update of every
// chat. A chat whose update fails is left alone from then on.
func (o *Outbox) send(ctx context.Context, updates []*update) (published []*update, err error) {
	queues := map[int64][]*update{}
	var order []int64
	for _, u := range updates {
		if queues[u.Chat] == nil {
			order = append(order, u.Chat)
		}
		queues[u.Chat] = append(queues[u.Chat], u)
	}
	for _, c := range order {
		there, rest, err := o.stored(ctx, queues[c])
		if err != nil {
			return published, err
		}
		published, queues[c] = append(published, there...), rest
	}
	for {
		var round []*update
		for _, c := range order {
			if q := queues[c]; len(q) > 0 {
				round, queues[c] = append(round, q[0]), q[1:]
			}
		}
		if len(round) == 0 {
			return published, err
		}
		failed := o.round(ctx, round)
		for _, u := range round {
			if u.sequence == 0 {
				queues[u.Chat] = nil
				continue
			}
			published = append(published, u)
		}
		err = errors.Join(err, failed)
	}
}

func (o *Outbox) round(ctx context.Context, updates []*update) error {
	messages := make([]bus.Message, len(updates))
	for i, u := range updates {
		messages[i] = bus.Message{Subject: subject.Update(u.Chat), ID: subject.UpdateID(u.Chat, u.Number), Payload: u.Payload}
	}
	sequences, err := o.bus.Publish(ctx, messages...)
	for i, s := range sequences {
		updates[i].sequence = s
	}
	return err
}

// stored parts those of a chat's updates that the bus has from the rest. The bus
// drops what it got lately, so it is asked only of older ones.
func (o *Outbox) stored(ctx context.Context, updates []*update) (there, rest []*update, err error) {
	if !updates[0].Old {
		return nil, updates, nil
	}
	last, err := o.bus.Last(ctx, subject.Updates, subject.Update(updates[0].Chat))
	if err != nil {
		return nil, nil, err
	}
	_, number, _ := strings.Cut(last.ID, "-")
	newest, _ := strconv.ParseInt(number, 10, 64) // 0 where there is none
	for i, u := range updates {
		if u.Number > newest {
			return updates[:i], updates[i:], nil
		}
		if u.Number == newest {
			u.sequence = last.Sequence
		}
	}
	return updates, nil, nil
}

func (o *Outbox) mark(ctx context.Context, updates []*update) error {
	if len(updates) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	chats, numbers, sequences := make([]int64, len(updates)), make([]int64, len(updates)), make([]int64, len(updates))
	for i, u := range updates {
		chats[i], numbers[i], sequences[i] = u.Chat, u.Number, int64(u.sequence) //nolint:gosec // a stream's sequence
	}
	if _, err := o.pool.Exec(ctx, mark, chats, numbers, sequences); err != nil {
		return fmt.Errorf("mark updates as published: %w", err)
	}
	return nil
}
