package calllog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/chorus-cast/chorus/services/lab/emulator/journal"
)

const (
	fileName = "calls.jsonl"
	// stride is the number of records between two indexed places of the file.
	stride = 1024
	// tail is the number of ids that are known after Open, of the last calls with an effect.
	tail = 16384
	// batch is the number of records that a reader takes from memory at a time.
	batch = 512
)

// ErrReset ends a reader when the log is emptied under it.
var ErrReset = errors.New("the log of calls was reset")

// Log is safe for concurrent use.
type Log struct {
	path string // empty: in memory
	keep int

	mu     sync.Mutex
	file   *journal.Journal
	places []int64             // of the records 1, 1+stride, ...
	lines  [][]byte            // in memory: the last records
	seq    uint64              // of the last record
	epoch  int                 // grows with every Reset
	ids    map[string]struct{} // of the last calls with an effect before Open
	news   chan struct{}       // closed at the next record
}

// Open opens or creates the log in a folder; with no folder it lives in memory
// and holds the last keep records only.
func Open(dir string, keep int) (*Log, error) {
	l := &Log{keep: keep, news: make(chan struct{}), ids: map[string]struct{}{}}
	if dir == "" {
		return l, nil
	}
	l.path = filepath.Join(dir, fileName)
	var (
		size  int64
		order []string
	)
	file, err := journal.Open(l.path, func(line []byte) error {
		if l.seq%stride == 0 {
			l.places = append(l.places, size)
		}
		l.seq++
		size += int64(len(line)) + 1
		var r struct {
			ID     string `json:"id"`
			Effect string `json:"effect"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("not a record of a call: %w", err)
		}
		if r.Effect == NoEffect {
			return nil
		}
		l.ids[r.ID] = struct{}{}
		if order = append(order, r.ID); len(order) > tail {
			delete(l.ids, order[0])
			order = order[1:]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.file = file
	return l, nil
}

// Knew reports whether a call was among the last ones with an effect when the log was opened.
func (l *Log) Knew(id string) bool {
	_, ok := l.ids[id]
	return ok
}

// Append numbers the record and stores it. When it returns nil, the record
// survives the death of the process.
func (l *Log) Append(r Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Seq = l.seq + 1
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write a record of a call: %w", err)
	}
	if l.file == nil {
		l.remember(line)
	} else {
		place := l.file.Size()
		if err := l.file.Append(line); err != nil {
			return err
		}
		if l.seq%stride == 0 {
			l.places = append(l.places, place)
		}
	}
	l.seq++
	l.wake()
	return nil
}

func (l *Log) remember(line []byte) {
	if len(l.lines) >= 2*l.keep {
		l.lines = append([][]byte(nil), l.lines[len(l.lines)-l.keep:]...)
	}
	l.lines = append(l.lines, line)
}

func (l *Log) wake() {
	close(l.news)
	l.news = make(chan struct{})
}

// Last is the number of the last record.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq
}

// Reset empties the log and begins to count from 1 again.
func (l *Log) Reset() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq, l.places, l.lines = 0, nil, nil
	l.epoch++
	l.wake()
	if l.file == nil {
		return nil
	}
	return l.file.Clear()
}

// Close closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Read calls each with the lines of the records that the filter chooses, in
// order; the slices are only valid during the call. idle is called when there
// is no more for now, before a follower waits; it may be nil. A following Read
// ends with nil when ctx does.
func (l *Log) Read(ctx context.Context, f Filter, each func(line []byte) error, idle func() error) error {
	l.mu.Lock()
	epoch := l.epoch
	l.mu.Unlock()
	seq := f.Since
	for {
		last, news, err := l.state(epoch)
		if err != nil {
			return err
		}
		if seq, err = l.pass(ctx, epoch, seq, last, f, each); err != nil {
			if _, _, reset := l.state(epoch); reset != nil {
				return reset // and not how that looks to a reader of the file
			}
			return err
		}
		if idle != nil {
			if err := idle(); err != nil {
				return err
			}
		}
		if !f.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		}
	}
}

// state returns the number of the last record and a channel that announces the next one, or
// ErrReset after the end of the epoch.
func (l *Log) state(epoch int) (uint64, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return 0, nil, ErrReset
	}
	return l.seq, l.news, nil
}

// pass reads the records after seq up to last and returns the number of the last record read.
func (l *Log) pass(ctx context.Context, epoch int, seq, last uint64, f Filter, each func([]byte) error) (uint64, error) {
	if seq >= last {
		return seq, nil
	}
	if l.path == "" {
		return l.passMemory(ctx, epoch, seq, last, f, each)
	}
	return l.passFile(ctx, epoch, seq, last, f, each)
}

func (l *Log) passMemory(ctx context.Context, epoch int, seq, last uint64, f Filter, each func([]byte) error) (uint64, error) {
	for seq < last {
		lines, from, err := l.remembered(epoch, seq, last)
		if err != nil {
			return seq, err
		}
		for _, line := range lines {
			if err := choose(ctx, f, line, each); err != nil {
				return seq, err
			}
		}
		if len(lines) == 0 {
			return last, nil
		}
		seq = from + uint64(len(lines))
	}
	return seq, nil
}

// remembered returns some of the lines after seq up to last and how many
// records there are before them.
func (l *Log) remembered(epoch int, seq, last uint64) ([][]byte, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return nil, 0, ErrReset
	}
	first := l.seq - uint64(len(l.lines)) // what came before is forgotten
	seq = max(seq, first)
	if seq >= last {
		return nil, seq, nil
	}
	return l.lines[seq-first : min(seq+batch, last)-first], seq, nil
}

func (l *Log) passFile(ctx context.Context, epoch int, seq, last uint64, f Filter, each func([]byte) error) (uint64, error) {
	l.mu.Lock()
	if epoch != l.epoch {
		l.mu.Unlock()
		return seq, ErrReset
	}
	place, at := l.places[seq/stride], seq/stride*stride
	l.mu.Unlock()
	file, err := os.Open(l.path)
	if err != nil {
		return seq, fmt.Errorf("read the log of calls: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(place, io.SeekStart); err != nil {
		return seq, fmt.Errorf("read the log of calls: %w", err)
	}
	reader := bufio.NewReaderSize(file, 1<<18)
	for ; at < last; at++ {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return seq, fmt.Errorf("read the log of calls: %w", err)
		}
		if at < seq {
			continue
		}
		if err := choose(ctx, f, bytes.TrimSuffix(line, []byte{'\n'}), each); err != nil {
			return seq, err
		}
	}
	return last, nil
}

func choose(ctx context.Context, f Filter, line []byte, each func([]byte) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read the log of calls: %w", err)
	}
	if !f.plain() {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("read the log of calls: %w", err)
		}
		if !f.matches(r) {
			return nil
		}
	}
	return each(line)
}

// Records returns all records that the filter chooses. It never follows.
func (l *Log) Records(ctx context.Context, f Filter) ([]Record, error) {
	f.Follow = false
	var records []Record
	err := l.Read(ctx, f, func(line []byte) error {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("read the log of calls: %w", err)
		}
		records = append(records, r)
		return nil
	}, nil)
	return records, err
}
