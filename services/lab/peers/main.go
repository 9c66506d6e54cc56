// Command peers does the job of Chorus' pipeline with the queues that an engineer would
// pick instead: river on PostgreSQL, asynq on Redis, watermill on JetStream. Each stage is
// a process and a durable queue. BenchmarkPeers of services/e2e runs it beside Chorus.
//
//	peers SYSTEM feed STAGE JOBS   makes the queues, and puts jobs into that of a stage
//	peers SYSTEM work STAGE        does a stage's jobs until it is killed
//
// PEERS_SERVER is the address of the system's server, PEERS_TELEGRAM that of a Bot API.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
)

// system is a way of doing the job.
type system interface {
	// prepare makes the queues of all stages.
	prepare(ctx context.Context) error
	// feed puts jobs into the queue of a stage.
	feed(ctx context.Context, stage string, jobs []job) error
	// work does a stage's jobs, and sends those of the last.
	work(ctx context.Context, stage string, send func(context.Context, job) error) error
}

// workers is the number of concurrent jobs of a stage.
const workers = 32

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	server := os.Getenv("PEERS_SERVER")
	systems := map[string]system{"river": riverSystem{server}, "asynq": asynqSystem{server}, "watermill": watermillSystem{server}}
	switch {
	case len(args) == 4 && args[1] == "feed":
		return feed(ctx, systems[args[0]], args[2], args[3])
	case len(args) == 3 && args[1] == "work":
		return systems[args[0]].work(ctx, args[2], newTelegram(os.Getenv("PEERS_TELEGRAM")).send)
	}
	return fmt.Errorf("%q: want SYSTEM feed STAGE JOBS, or SYSTEM work STAGE", args)
}

func feed(ctx context.Context, s system, stage, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	jobs := make([]job, n)
	for i := range jobs {
		jobs[i] = job{ID: i + 1, Chat: -1_007_000_000_000 - i%chats}
		if stage == stageSend {
			jobs[i], _ = next(stageWrite, jobs[i])
		}
	}
	return s.feed(ctx, stage, jobs)
}
