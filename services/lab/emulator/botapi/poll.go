package botapi

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const (
	maxPoll        = 50  // seconds
	maxBatch       = 100 // updates
	conflictPause  = 3 * time.Second
	byOtherPoll    = "terminated by other getUpdates request; make sure that only one bot instance is running"
	bySetWebhook   = "terminated by setWebhook request"
	webhookActive  = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
	conflictPrefix = "Conflict: "
)

// polls are the long polls under way: one for each bot.
type polls struct {
	mu     sync.Mutex
	open   map[int64]*poll
	spaced map[int64]time.Time // when a bot may be told of the next conflict at once
}

type poll struct {
	ended  chan struct{}
	reason string // set before ended is closed
}

// begin opens a bot's poll and ends the former one.
func (p *polls) begin(bot int64) *poll {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.terminate(bot, byOtherPoll)
	next := &poll{ended: make(chan struct{})}
	p.open[bot] = next
	return next
}

// end forgets a poll that is over.
func (p *polls) end(bot int64, over *poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[bot] == over {
		delete(p.open, bot)
	}
}

// interrupt ends a bot's poll, if there is one.
func (p *polls) interrupt(bot int64, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.terminate(bot, reason)
}

func (p *polls) terminate(bot int64, reason string) {
	if old := p.open[bot]; old != nil {
		old.reason = reason
		close(old.ended)
		delete(p.open, bot)
	}
}

// conflict is the error of a poll that lost to another one. The original tells
// at once only if it hasn't told so within the last three seconds.
func (a *API) conflict(c *call, reason string) error {
	a.polls.mu.Lock()
	now := a.Now()
	pause := a.polls.spaced[c.bot.ID].Sub(now)
	if pause <= 0 {
		a.polls.spaced[c.bot.ID] = now.Add(conflictPause)
	}
	a.polls.mu.Unlock()
	if pause > 0 {
		if err := a.pause(conflictPause, c.gone); err != nil {
			return err
		}
	}
	return &world.Error{Code: http.StatusConflict, Description: conflictPrefix + reason}
}

// getUpdates waits until there is an update, the time-out is over, or another
// poll takes its place.
func (a *API) getUpdates(c *call) (effect, error) {
	if hook, _ := a.World.WebhookOf(c.bot.ID); hook != nil {
		return nil, a.conflict(c, webhookActive)
	}
	if err := a.allow(c); err != nil {
		return nil, err
	}
	own := a.polls.begin(c.bot.ID)
	defer a.polls.end(c.bot.ID, own)
	timeout := time.Duration(c.params.between("timeout", 0, 0, maxPoll)) * time.Second
	limit := int(c.params.between("limit", maxBatch, 1, maxBatch))
	offset := c.params.integer("offset")
	over := time.NewTimer(timeout)
	defer over.Stop()
	for {
		wake := a.World.Wake(c.bot.ID)
		events, err := a.World.Updates(c.bot.ID, offset, limit)
		if err != nil {
			return nil, err
		}
		if len(events) > 0 || timeout == 0 {
			return always(done(updatesOf(events), none))
		}
		// A negative offset has now forgotten what it should.
		offset = max(offset, 0)
		select {
		case <-wake:
		case <-over.C:
			timeout = 0
		case <-own.ended:
			return nil, a.conflict(c, own.reason)
		case <-c.gone:
			return nil, a.leaving()
		case <-a.stopping:
			return nil, errStopping()
		}
	}
}

func updatesOf(events []world.Event) []update {
	updates := make([]update, 0, len(events))
	for _, e := range events {
		updates = append(updates, updateOf(e))
	}
	return updates
}

// allow applies allowed_updates where it is given; unknown kinds are ignored.
func (a *API) allow(c *call) error {
	var kinds []string
	given, err := c.params.structure("allowed_updates", &kinds)
	if err != nil {
		return badRequest("can't parse allowed updates JSON object")
	}
	if !given {
		return nil
	}
	slices.Sort(kinds)
	return a.World.Allow(c.bot.ID, slices.Compact(kinds))
}

// chatInstance is a number that stands for a chat without being its id.
func chatInstance(chat int64) string { return strconv.FormatInt(-chat*7919, 10) }
