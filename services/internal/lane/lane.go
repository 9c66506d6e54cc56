// Package lane runs tasks in order by key, and different keys side by side.
package lane

import "sync"

// Group is a set of lanes. A lane exists, and costs a goroutine, only while it
// has tasks. The zero value is ready; it is safe for concurrent use.
//
// Group does not bound its queues: whoever pushes must have a budget, as the
// bus's consumers do.
type Group[K comparable] struct {
	mu     sync.Mutex
	lanes  map[K]*queue
	queued int
	wg     sync.WaitGroup
}

type queue struct{ tasks []func() }

// Push puts a task at the end of a key's lane. It never blocks. Tasks of one
// key run one after the other in the order they were pushed.
func (g *Group[K]) Push(key K, task func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queued++
	if q, ok := g.lanes[key]; ok {
		q.tasks = append(q.tasks, task)
		return
	}
	if g.lanes == nil {
		g.lanes = make(map[K]*queue)
	}
	q := &queue{tasks: []func(){task}}
	g.lanes[key] = q
	g.wg.Go(func() { g.run(key, q) })
}

func (g *Group[K]) run(key K, q *queue) {
	for {
		g.mu.Lock()
		if len(q.tasks) == 0 {
			delete(g.lanes, key)
			g.mu.Unlock()
			return
		}
		task := q.tasks[0]
		q.tasks[0] = nil
		q.tasks = q.tasks[1:]
		g.mu.Unlock()
		task()
		g.mu.Lock()
		g.queued--
		g.mu.Unlock()
	}
}

// Wait returns when every lane is empty. Nothing may be pushed meanwhile.
func (g *Group[K]) Wait() { g.wg.Wait() }

// Len tells how many lanes there are and how many tasks are queued or running.
func (g *Group[K]) Len() (lanes, tasks int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.lanes), g.queued
}
