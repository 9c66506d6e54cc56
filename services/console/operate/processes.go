package operate

import (
	"context"
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/status"
)

// processes holds the state of all processes.
type processes struct {
	Processes []status.Process `json:"processes"`
	Silent    int              `json:"silent" doc:"how many live and do not answer"`
}

type processesAnswer struct{ Body processes }

// askProcesses asks all that live, as their leases tell.
func (a *Area) askProcesses(ctx context.Context, _ *struct{}) (*processesAnswer, error) {
	out := &processesAnswer{processes{Processes: []status.Process{}}}
	if a.Bus == nil {
		return out, nil
	}
	living, err := lease.Living(ctx, a.Pool)
	if err != nil {
		return nil, err
	}
	for _, n := range living {
		out.Body.Silent += n
	}
	if a.Bus.Ready(ctx) != nil {
		return out, nil //nolint:nilerr // nobody can be asked
	}
	if out.Body.Processes, err = status.Ask(ctx, a.Bus, out.Body.Silent); err != nil {
		return nil, err
	}
	out.Body.Silent -= len(out.Body.Processes)
	return out, nil
}

// mixed tells that processes of several builds run.
func (p *processes) mixed() bool {
	for i := range p.Processes {
		if p.Processes[i].Commit != p.Processes[0].Commit || p.Processes[i].Version != p.Processes[0].Version {
			return true
		}
	}
	return false
}

// open counts the breakers that are not closed.
func (p *processes) open() (n int) {
	for i := range p.Processes {
		n += p.Processes[i].Open
	}
	return n
}

// rest counts the providers that rest.
func (p *processes) rest() (n int) {
	for i := range p.Processes {
		n += len(p.Processes[i].Rests)
	}
	return n
}

// rate returns a cache's hit rate.
func rate(c *status.Cache) string {
	if all := c.Hits + c.Shared + c.Misses; all > 0 {
		return fmt.Sprintf("%.1f %%", 100*(c.Hits+c.Shared)/all)
	}
	return "-"
}

func mib(bytes float64) string { return fmt.Sprintf("%.1f MiB", bytes/(1<<20)) }
