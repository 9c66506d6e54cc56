package main

import (
	"context"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// asynqSystem has its queues in an empty Redis.
type asynqSystem struct{ url string }

// prepare waits until the server has read its empty file.
func (s asynqSystem) prepare(ctx context.Context) error {
	at, err := redis.ParseURL(s.url)
	if err != nil {
		return err
	}
	at.MaxRetries = 20
	client := redis.NewClient(at)
	defer client.Close()
	return client.Ping(ctx).Err()
}

func (s asynqSystem) feed(ctx context.Context, stage string, jobs []job) error {
	at, err := asynq.ParseRedisURI(s.url)
	if err != nil {
		return err
	}
	client := asynq.NewClient(at)
	defer client.Close()
	var all errgroup.Group
	all.SetLimit(workers)
	for _, j := range jobs {
		all.Go(func() error { return enqueue(ctx, client, stage, j) })
	}
	return all.Wait()
}

func enqueue(ctx context.Context, client *asynq.Client, stage string, j job) error {
	payload, err := j.encode()
	if err != nil {
		return err
	}
	_, err = client.EnqueueContext(ctx, asynq.NewTask(stage, payload), asynq.Queue(stage))
	return err
}

func (s asynqSystem) work(_ context.Context, stage string, send func(context.Context, job) error) error {
	at, err := asynq.ParseRedisURI(s.url)
	if err != nil {
		return err
	}
	client := asynq.NewClient(at)
	defer client.Close()
	return asynq.NewServer(at, asynq.Config{
		Concurrency:       workers,
		Queues:            map[string]int{stage: 1},
		LogLevel:          asynq.FatalLevel,
		TaskCheckInterval: 10 * time.Millisecond,
	}).Run(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		j, err := decode(t.Payload())
		if err != nil {
			return err
		}
		j, after := next(stage, j)
		if after == "" {
			return send(ctx, j)
		}
		return enqueue(ctx, client, after, j)
	}))
}
