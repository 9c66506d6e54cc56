package sampling

import (
	"fmt"

	"github.com/prometheus/procfs"
)

// ticks is the number of the kernel's clock ticks in a second, on every system that Go
// supports.
const ticks = 100

// readKernel asks the kernel what a process uses. Of a tree, memory that its
// processes share is counted once, and CPU time of children that have ended
// counts.
func readKernel(source Source, sample *Sample) error {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return fmt.Errorf("read the kernel's figures: %w", err)
	}
	pids, err := family(fs, source)
	if err != nil {
		return err
	}
	var shared float64
	for _, pid := range pids {
		p, err := fs.Proc(pid)
		if err != nil {
			continue // it has ended meanwhile
		}
		stat, err := p.Stat()
		if err != nil {
			continue
		}
		status, err := p.NewStatus()
		if err != nil {
			continue
		}
		sample.CPU += float64(stat.UTime+stat.STime) / ticks
		if pid == source.Pid && source.Tree {
			sample.CPU += float64(stat.CUTime+stat.CSTime) / ticks
		}
		sample.Memory += float64(status.RssAnon)
		shared = max(shared, float64(status.RssShmem+status.RssFile))
	}
	sample.Memory += shared
	return nil
}

// family is a process, and its children where they are wanted.
func family(fs procfs.FS, source Source) ([]int, error) {
	pids := []int{source.Pid}
	if !source.Tree {
		return pids, nil
	}
	all, err := fs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("read the kernel's figures: %w", err)
	}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && stat.PPID == source.Pid {
			pids = append(pids, p.PID)
		}
	}
	return pids, nil
}
