package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	// peerJobs is the number of jobs of a measurement, and peerRounds the number of
	// measurements of each system. The systems alternate, because the machine's speed
	// varies.
	peerJobs, peerRounds = 10_000, 2
	// peerOffer in turns/s is more than the pipeline carries. The other systems' queues are
	// full, too.
	peerOffer = 6000
)

// BenchmarkPeers prints the throughput of the pipeline divided by that of river, asynq and
// watermill, on the same servers and with the same Bot API. The others keep no order in a
// chat and write a fixed text; their code is in lab/peers.
func BenchmarkPeers(b *testing.B) {
	systems := []string{"river", "asynq", "watermill"}
	for b.Loop() {
		p := peers{newPipeline(b), builtPeers(b)}
		carried, sent := map[string]float64{}, map[string]float64{}
		for range peerRounds {
			for _, system := range systems {
				carried[system] += p.rate(system, "plan", "write", "send")
			}
			p.renew("generator", "sender", "planner")
			best := p.offer(peerOffer, overloadFor).rate()
			carried["chorus"] += best
			sent["river"] += p.rate("river", "send")
			sent["chorus"] += p.send(best)
		}
		for _, system := range systems {
			fmt.Printf("figure pipeline.vs_%s_ratio %.2f ratio\n", system, carried["chorus"]/carried[system])
		}
		fmt.Printf("figure pipeline.send_vs_river_ratio %.2f ratio\n", sent["chorus"]/sent["river"])
	}
}

// peers measures other systems on the servers of a pipeline, with a separate program.
type peers struct {
	*pipeline

	program string
}

func builtPeers(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "peers")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-o", program, ".")
	cmd.Dir, cmd.Env = filepath.Join("..", "lab", "peers"), append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build the peers: %v\n%s", err, out)
	}
	return program
}

// rate returns the jobs per second of a system with a full queue of the first stage. The
// start isn't measured.
func (p peers) rate(system string, stages ...string) float64 {
	p.b.Helper()
	p.quit()
	environment := append(os.Environ(), "PEERS_SERVER="+p.serverOf(system), "PEERS_TELEGRAM="+p.telegram.url)
	feed := exec.CommandContext(p.b.Context(), p.program, system, "feed", stages[0], strconv.Itoa(peerJobs))
	feed.Env = environment
	if out, err := feed.CombinedOutput(); err != nil {
		p.b.Fatalf("feed %s: %v\n%s", system, err, out)
	}
	p.telegram.forget()
	for _, stage := range stages {
		work := exec.CommandContext(context.WithoutCancel(p.b.Context()), p.program, system, "work", stage)
		work.Env, work.Stderr, work.SysProcAttr = environment, os.Stderr, ownSession()
		process, err := child.Start(work, syscall.SIGKILL)
		if err != nil {
			p.b.Fatal(err)
		}
		defer func() {
			if err := process.Stop(patience, syscall.SIGKILL); err != nil {
				p.b.Error(err)
			}
		}()
	}
	eventually(p.b, system+" has done all jobs", func() bool { return len(p.telegram.arrivals()) >= peerJobs })
	rate := innerRate(p.telegram.arrivals())
	p.b.Logf("%s %v: %.0f/s", system, stages, rate)
	return rate
}

// serverOf returns the address of a system's server, which is empty.
func (p peers) serverOf(system string) string {
	p.b.Helper()
	switch system {
	case "river":
		p.number++
		name := fmt.Sprintf("river_%d", p.number)
		if err := p.server.CreateDatabase(p.b.Context(), name); err != nil {
			p.b.Fatal(err)
		}
		return p.server.DSN(name)
	case "asynq":
		return testenv.RedisServer(p.b, "--appendonly", "yes", "--appendfsync", "everysec").URL()
	}
	p.nats = startNATS(p.b)
	return p.nats.url()
}

// innerRate returns the events per second, without the first tenth of them.
func innerRate(at []time.Time) float64 {
	counted := at[len(at)/10:]
	return float64(len(counted)) / counted[len(counted)-1].Sub(counted[0]).Seconds()
}
