// Package sampling looks at processes: what they count, by their metrics, and
// what they use, by their metrics or the kernel's figures.
package sampling

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Source is a process.
type Source struct {
	// Service is the process' service, Instance a unique name.
	Service, Instance string
	// URL is the address of its metrics; empty for none.
	URL string
	// Token opens the metrics; empty for none.
	Token string
	// Pid is asked the kernel about where there is no URL. Tree adds its children.
	Pid  int
	Tree bool
	// Fresh processes count from 0; of others, what they had counted before the
	// first look is left out.
	Fresh bool
	// Chorus tells the product's own services from the servers around them.
	Chorus bool
}

// Sample is the resource use of a process at one time.
type Sample struct {
	At                time.Time
	Service, Instance string
	Chorus            bool
	Memory            float64 // bytes
	CPU               float64 // seconds since its start
	Goroutines        float64 // 0 where that isn't known
}

// Sampler keeps samples and counters. It is safe for concurrent use.
type Sampler struct {
	mu       sync.Mutex
	samples  []Sample
	counters map[string]*series // by instance and series
	names    map[string]string  // the series' names
	failures int
}

// New makes a sampler.
func New() *Sampler {
	return &Sampler{counters: map[string]*series{}, names: map[string]string{}}
}

// lookTimeout limits the reading of all sources: a frozen process doesn't respond.
const lookTimeout = 3 * time.Second

// Look reads all sources concurrently. It counts a source that doesn't respond as a failure
// and leaves it out: the process may have been killed.
func (s *Sampler) Look(ctx context.Context, sources []Source) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var looking sync.WaitGroup
	for _, source := range sources {
		looking.Go(func() { s.look(ctx, source) })
	}
	looking.Wait()
}

func (s *Sampler) look(ctx context.Context, source Source) {
	sample := Sample{At: time.Now(), Service: source.Service, Instance: source.Instance, Chorus: source.Chorus}
	var counted map[string]float64
	var err error
	if source.URL == "" {
		err = readKernel(source, &sample)
	} else {
		counted, err = scrape(ctx, source, &sample)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures++
		return
	}
	s.samples = append(s.samples, sample)
	for name, value := range counted {
		key := source.Instance + " " + name
		if s.counters[key] == nil {
			s.counters[key], s.names[key] = &series{fresh: source.Fresh}, name
		}
		s.counters[key].add(sample.At, value)
	}
}

// Samples are all so far, by time.
func (s *Sampler) Samples() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.samples)
	slices.SortStableFunc(all, func(a, b Sample) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Instance, b.Instance)) })
	return all
}

// Failures counts the looks that a source did not answer.
func (s *Sampler) Failures() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures
}

// Counters is by how much each counter rose, in all
// processes together, and for a gauge the most that it was in all of them
// together.
func (s *Sampler) Counters() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := map[string]float64{}
	for key, counter := range s.counters {
		total[s.names[key]] += counter.value(s.names[key])
	}
	return total
}
