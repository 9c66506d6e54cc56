// Package world is the emulator's idea of Telegram: accounts, groups,
// memberships, messages, reactions and the updates that bots get about them.
// It knows nothing of HTTP.
//
// Identity of messages follows Telegram. In a supergroup a message has one id.
// In a basic group each bot numbers the messages it sees itself, over all its
// basic groups, so one message has another id for each bot, and a bot can only
// refer to what it has sent or received. People, the page and the control
// interface see every message under one number of the chat's own (see Post.Seq).
//
// A World with a folder is durable: every change is in the folder's journal
// before its method returns, and message and update ids never repeat, not even
// after kill -9. All methods of World are safe for concurrent use.
package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/journal"
)

// Config says where a World lives and what it keeps.
type Config struct {
	// Dir holds the state; empty: nothing survives.
	Dir string
	// Seed decides the ids and tokens that are minted.
	Seed uint64
	// MaxMessages limits the stored messages of a chat.
	MaxMessages int
	// MaxUpdates limits the waiting updates of a bot; the oldest are dropped first.
	MaxUpdates int
	// Now is the clock.
	Now func() time.Time
}

// World is the state. Use Open to make one.
type World struct {
	cfg      Config
	journal  *journal.Journal
	snapshot int64 // bytes of the last snapshot

	mu        sync.Mutex
	state     state
	tokens    map[string]*account // by hash
	usernames map[string]*account // in lower case
	people    map[string]int64    // by name
	effects   []Effect            // of calls since the snapshot; the last maxEffects
	watchers  map[chan Change]struct{}
	recent    recent
	hooks     chan struct{} // closed when a webhook is set or removed
}

// state is the content of a snapshot.
type state struct {
	Seq      uint64             `json:"seq"`
	Accounts map[int64]*account `json:"accounts"`
	Chats    map[int64]*chat    `json:"chats"`
}

// Cause is the call that changes the world. It is stored with the change, so
// that after a crash the log of calls can be completed from the world.
type Cause struct {
	ID     string `json:"id"`
	Bot    int64  `json:"bot"`
	Method string `json:"method"`
	Chat   int64  `json:"chat"`
}

// Effect is a change that a call made, read back from the journal.
type Effect struct {
	Cause

	At      time.Time
	Message int64  // what the bot calls the message
	Text    string // of a message that was sent
}

const (
	snapshotFile = "world.json"
	journalFile  = "world.jsonl"
	maxEffects   = 4096
)

// Stored reports whether a folder has the state of a world.
func Stored(dir string) bool {
	for _, name := range []string{snapshotFile, journalFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Open reads the world in cfg.Dir, if any. The caller must hold the folder
// (journal.Lock) until Close, and should call Compact once it has looked at
// Effects.
func Open(cfg Config) (*World, error) {
	if cfg.MaxMessages < 1 || cfg.MaxUpdates < 1 || cfg.Now == nil {
		return nil, errors.New("world: MaxMessages, MaxUpdates and Now must be set")
	}
	w := &World{cfg: cfg, watchers: map[chan Change]struct{}{}, hooks: make(chan struct{})}
	w.clear()
	if cfg.Dir == "" {
		return w, nil
	}
	if err := w.load(); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *World) load() error {
	if err := w.readSnapshot(); err != nil {
		return err
	}
	past := w.state.Seq
	file, err := journal.Open(filepath.Join(w.cfg.Dir, journalFile), func(line []byte) error {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("not a record of the emulator: %w", err)
		}
		if e.Seq <= past {
			return nil // a crash came between writing the snapshot and emptying the journal
		}
		return w.apply(e)
	})
	if err != nil {
		return err
	}
	w.journal = file
	return nil
}

func (w *World) readSnapshot() error {
	path := filepath.Join(w.cfg.Dir, snapshotFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	w.snapshot = int64(len(content))
	if err := json.Unmarshal(content, &w.state); err != nil {
		return fmt.Errorf("%s is not a state of the emulator; remove the folder to start anew: %w", path, err)
	}
	for _, a := range w.state.Accounts {
		w.index(a)
	}
	for _, c := range w.state.Chats {
		for _, p := range c.Posts {
			if p != nil {
				w.indexPost(c, p)
			}
		}
	}
	return nil
}

// Compact writes all of the state into a snapshot and empties the journal.
func (w *World) Compact() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.journal == nil {
		return nil
	}
	return w.compact()
}

// worthCompacting is a journal's size, in bytes, below which Compact gains little.
const worthCompacting = 32 << 20

// Overgrown reports whether the journal is so large, also compared with the state, that
// Compact should be called.
func (w *World) Overgrown() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.journal != nil && w.journal.Size() > max(worthCompacting, w.snapshot)
}

func (w *World) compact() error {
	content, err := json.Marshal(w.state)
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	if err := journal.Replace(filepath.Join(w.cfg.Dir, snapshotFile), content); err != nil {
		return err
	}
	w.effects, w.snapshot = nil, int64(len(content))
	return w.journal.Clear()
}

// Close ends the journal. The world must not be used any more.
func (w *World) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for watcher := range w.watchers {
		w.unwatch(watcher)
	}
	if w.journal == nil {
		return nil
	}
	return w.journal.Close()
}

// Reset removes everything: accounts, chats and messages.
func (w *World) Reset() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.state.Accounts {
		if a.Bot {
			close(a.wake)
		}
	}
	seq := w.state.Seq
	w.clear()
	w.state.Seq = seq + 1
	close(w.hooks)
	w.hooks = make(chan struct{})
	w.happened(Change{Kind: "chat"})
	if w.journal == nil {
		return nil
	}
	return w.compact()
}

func (w *World) clear() {
	w.state = state{Accounts: map[int64]*account{}, Chats: map[int64]*chat{}}
	w.tokens = map[string]*account{}
	w.usernames = map[string]*account{}
	w.people = map[string]int64{}
	w.effects = nil
}

// Effects returns what calls did since the last Compact, the latest few
// thousand of them: enough to find those that were not yet in the log of calls
// when the process died.
func (w *World) Effects() []Effect {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Effect(nil), w.effects...)
}

// index makes an account findable, in place of an older form of it.
func (w *World) index(a *account) {
	if old := w.state.Accounts[a.ID]; old != nil && old != a {
		delete(w.tokens, old.TokenHash)
		delete(w.usernames, strings.ToLower(old.Username))
	}
	w.state.Accounts[a.ID] = a
	if a.Username != "" {
		w.usernames[strings.ToLower(a.Username)] = a
	}
	if !a.Bot {
		w.people[a.Name] = a.ID
		return
	}
	w.tokens[a.TokenHash] = a
	if a.box == nil {
		a.box = map[int64]place{}
	}
	if a.wake == nil {
		a.wake = make(chan struct{})
	}
}

func (w *World) indexPost(c *chat, p *post) {
	for _, known := range p.IDs {
		if bot := w.state.Accounts[known.Bot]; bot != nil {
			bot.box[known.ID] = place{chat: c.ID, seq: p.Message.Seq}
		}
	}
}
