package botapi

import (
	"crypto/rand"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// call is one call on its way through the steps.
type call struct {
	id     string
	began  time.Time
	bot    world.Account
	method method
	params params
	chat   int64
	gone   <-chan struct{} // closed when the client leaves; nil: it can't
	rules  string          // the fault rules that met the call
	cut    bool            // the connection is closed instead of the answer
}

func newCall(began time.Time, name string) *call {
	return &call{id: rand.Text(), began: began, method: method{name: name}}
}

func (c *call) cause() world.Cause {
	return world.Cause{ID: c.id, Bot: c.bot.ID, Method: c.method.name, Chat: c.chat}
}

// effect carries out a call and returns its answer.
type effect func() (answer, error)

// method describes a method: its documented name, its limits, and its checks. prepare may
// wait, and must only change the world in ways that can be repeated without harm.
type method struct {
	name    string
	act     flood.Act // empty: not limited
	prepare func(*call) (effect, error)
}

// perform carries a call out, or lets it fail as the rules demand, and logs it.
// The rule it returns is the fault that the call met, if any.
func (a *API) perform(c *call) (answer, fault.Rule) {
	met := a.Faults.Meet(fault.Call{Method: c.method.name, Bot: c.bot.Username, Chat: c.chat})
	c.rules = met.IDs
	rule := met.Rule
	if err := a.pause(met.Delay, nil); err != nil {
		return a.note(c, refusal(err)), rule
	}
	switch rule.Kind {
	case fault.Status:
		return a.note(c, answer{status: rule.Status, description: rule.Answer(), retryAfter: rule.RetryAfter}), rule
	case fault.Kicked:
		return a.note(c, refusal(a.kicked(c))), rule
	case fault.ResetBefore:
		c.cut = true
		return a.note(c, answer{}), rule
	case fault.Hang:
		if err := a.hang(time.Duration(rule.Duration), c.gone); err != nil {
			return a.note(c, refusal(err)), rule
		}
	case fault.ResetAfter:
		c.cut = true
	case fault.HangAfter, fault.Latency:
	}
	reply := a.carryOut(c)
	if rule.Kind == fault.HangAfter {
		_ = a.hang(time.Duration(rule.Duration), c.gone) // the call is carried out, whatever ends the wait
	}
	return reply, rule
}

func (a *API) carryOut(c *call) answer {
	do, err := c.method.prepare(c)
	if err == nil {
		err = a.admit(c)
	}
	if err != nil {
		return a.note(c, refusal(err))
	}
	a.effects.Lock()
	defer a.effects.Unlock()
	reply, err := do()
	if err != nil {
		reply = refusal(err)
	}
	return a.record(c, reply)
}

// admit asks flood control and waits out a short wait like the original: a client may leave
// meanwhile, and the call is still carried out.
func (a *API) admit(c *call) error {
	if c.method.act == "" {
		return nil
	}
	verdict := a.Flood.Ask(c.method.act, c.bot.ID, c.chat)
	if verdict.RetryAfter > 0 {
		return &floodError{seconds: verdict.RetryAfter}
	}
	return a.pause(verdict.Wait, nil)
}

// kicked is the answer to a bot that isn't in the chat any more.
func (a *API) kicked(c *call) error {
	if c.chat > 0 {
		return &world.Error{Code: http.StatusForbidden, Description: "Forbidden: bot was blocked by the user"}
	}
	kind := world.Supergroup
	if chat, _, ok := a.World.Chat(c.chat); ok {
		kind = chat.Kind
	}
	return &world.Error{Code: http.StatusForbidden, Description: "Forbidden: bot was kicked from the " + kind + " chat"}
}

// pause waits for a while, or until gone or the server's end.
func (a *API) pause(d time.Duration, gone <-chan struct{}) error {
	if d <= 0 {
		return nil
	}
	return a.hang(d, gone)
}

// hang is pause, but waits for ever if the duration is 0.
func (a *API) hang(d time.Duration, gone <-chan struct{}) error {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return nil
	case <-gone:
		return a.leaving()
	case <-a.stopping:
		return errStopping()
	}
}

// leaving returns the error of a call whose client left. When the server stops, all clients leave,
// and the error names that reason.
func (a *API) leaving() error {
	select {
	case <-a.stopping:
		return errStopping()
	default:
		return errGone
	}
}

// note logs a call without an effect.
func (a *API) note(c *call, reply answer) answer {
	a.effects.Lock()
	defer a.effects.Unlock()
	return a.record(c, reply)
}

// record logs a call; the caller holds effects. A call that can't be logged is answered with an
// error, so the log never lacks an answered effect.
func (a *API) record(c *call, reply answer) answer {
	if reply.effect == "" {
		reply.effect = none
	}
	err := a.Calls.Append(calllog.Record{
		ID: c.id, Time: a.Now().UTC(), Bot: c.bot.Username, BotID: c.bot.ID,
		Method: c.method.name, Chat: c.chat, Params: c.params.logged(),
		Status: reply.status, Description: reply.description,
		RetryAfter: reply.retryAfter, MigrateTo: reply.migrateTo,
		Effect: reply.effect, EffectMessageID: reply.message,
		Fault: c.rules, Cut: c.cut,
		Duration: a.Now().Sub(c.began).Seconds() * float64(time.Second/time.Millisecond),
	})
	if err != nil {
		a.Log.Error("a call could not be logged", zap.String("method", c.method.name), zap.Error(err))
		return refusal(err)
	}
	return reply
}
