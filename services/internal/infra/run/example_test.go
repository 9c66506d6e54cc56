package run_test

import (
	"context"
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

func ExampleGroup() {
	part := func(name string) run.Part {
		return run.Part{Name: name, Run: func(ctx context.Context) error {
			<-ctx.Done()
			fmt.Println(name, "stopped")
			return nil
		}}
	}
	var g run.Group
	g.Add(part("database"))
	g.Add(part("bus"))
	g.Add(part("sender"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // as SIGTERM does in run.Main
	fmt.Println(g.Run(ctx))
	// Output:
	// sender stopped
	// bus stopped
	// database stopped
	// <nil>
}
