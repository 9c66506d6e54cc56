package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverSystem has its queues in an empty database.
type riverSystem struct{ dsn string }

func (s riverSystem) pool(ctx context.Context) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(s.dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 16 // what a service of Chorus has
	return pgxpool.NewWithConfig(ctx, cfg)
}

func (s riverSystem) prepare(ctx context.Context) error {
	pool, err := s.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (s riverSystem) feed(ctx context.Context, stage string, jobs []job) error {
	pool, err := s.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	all := make([]river.InsertManyParams, len(jobs))
	for i, j := range jobs {
		all[i] = river.InsertManyParams{Args: j, InsertOpts: &river.InsertOpts{Queue: stage}}
	}
	if _, err := client.InsertManyFast(ctx, all); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, "ANALYZE")
	return err
}

func (s riverSystem) work(ctx context.Context, stage string, send func(context.Context, job) error) error {
	pool, err := s.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	all := river.NewWorkers()
	river.AddWorker(all, &riverWorker{pool: pool, stage: stage, send: send})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:            map[string]river.QueueConfig{stage: {MaxWorkers: 3 * workers}},
		Workers:           all,
		FetchCooldown:     10 * time.Millisecond, // the default of 100 ms bounds it to some hundred jobs a second
		FetchPollInterval: 200 * time.Millisecond,
		Logger:            slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// riverWorker inserts the next job in the transaction that completes the one before.
type riverWorker struct {
	river.WorkerDefaults[job]

	pool  *pgxpool.Pool
	stage string
	send  func(context.Context, job) error
}

// Work implements river.Worker.
func (w *riverWorker) Work(ctx context.Context, done *river.Job[job]) error {
	j, after := next(w.stage, done.Args)
	if after == "" {
		return w.send(ctx, j) // the client completes many at a time
	}
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, j, &river.InsertOpts{Queue: after}); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, done)
		return err
	})
}
