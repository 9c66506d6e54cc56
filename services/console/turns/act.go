package turns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

const (
	// maxActed limits the turns that are replayed or ended at once.
	maxActed = 500
	// sampled is the number of them that are shown first.
	sampled = 10
	// good is for how long a replayed turn is.
	good = 2 * time.Minute
	// byHand is the reason of turns that a user ended.
	byHand = "somebody ended it by hand"
)

type allQuery struct {
	Body struct {
		Filter

		Count int `json:"count" doc:"how many there are, as the list told: if it is not so any more, nothing is done"`
	}
}

type doneAnswer struct {
	Body struct {
		Done int `json:"done"`
		Of   int `json:"of"`
	}
}

func answer(done, of int) *doneAnswer {
	var out doneAnswer
	out.Body.Done, out.Body.Of = done, of
	return &out
}

func (a *Area) replayOne(ctx context.Context, in *turnQuery) (*doneAnswer, error) {
	id := &chorusv1.TurnId{ChatId: in.ID, Number: in.Number}
	audit.Note(ctx, "turn "+subject.TurnID(id), nil, nil)
	done, err := a.replayed(ctx, []*chorusv1.TurnId{id})
	if errors.Is(err, journal.ErrNoDeadLetter) {
		return nil, fmt.Errorf("%w: the turn is not dead, or its dead letter was purged", operation.ErrConflict)
	}
	return answer(done, 1), err
}

func (a *Area) expireOne(ctx context.Context, in *turnQuery) (*doneAnswer, error) {
	id := &chorusv1.TurnId{ChatId: in.ID, Number: in.Number}
	audit.Note(ctx, "turn "+subject.TurnID(id), nil, nil)
	done, err := a.ended(ctx, []*chorusv1.TurnId{id})
	if err == nil && done == 0 {
		return nil, fmt.Errorf("%w: the turn has ended, or somebody works on it at this moment", operation.ErrConflict)
	}
	return answer(done, 1), err
}

func (a *Area) replayAll(ctx context.Context, in *allQuery) (*doneAnswer, error) {
	return a.act(ctx, in, "dead", a.replayed)
}

func (a *Area) expireAll(ctx context.Context, in *allQuery) (*doneAnswer, error) {
	return a.act(ctx, in, open, a.ended)
}

// act does something with all matching turns of an outcome, if their number is the one that
// the caller expects.
func (a *Area) act(ctx context.Context, in *allQuery, outcome string, do func(context.Context, []*chorusv1.TurnId) (int, error)) (*doneAnswer, error) {
	found, err := a.matching(ctx, in.Body.Filter, outcome)
	if err != nil {
		return nil, err
	}
	if len(found) != in.Body.Count {
		return nil, &operation.InvalidError{Field: "count", Value: strconv.Itoa(in.Body.Count), Want: fmt.Sprintf("%d, which match now", len(found))}
	}
	ids, names := make([]*chorusv1.TurnId, len(found)), make([]string, len(found))
	for i, f := range found {
		ids[i] = &chorusv1.TurnId{ChatId: f.Chat, Number: f.Number}
		names[i] = subject.TurnID(ids[i])
	}
	audit.Note(ctx, fmt.Sprintf("%d turns", len(ids)), nil, map[string]any{"turns": names})
	done, err := do(ctx, ids)
	return answer(done, len(ids)), err
}

// matching are the turns of an outcome that a filter chooses, maxActed at most.
func (a *Area) matching(ctx context.Context, f Filter, outcome string) ([]Found, error) {
	if f.Outcome != "" && f.Outcome != outcome {
		return nil, &operation.InvalidError{Field: "outcome", Value: strconv.Quote(f.Outcome), Want: outcome}
	}
	f.Outcome = outcome
	s, err := f.read(maxActed)
	if err != nil {
		return nil, err
	}
	l, err := a.find(ctx, s)
	return l.Turns, err
}

// replayed replays dead turns in their chats' order, and returns how many.
func (a *Area) replayed(ctx context.Context, ids []*chorusv1.TurnId) (done int, err error) {
	rings := map[bus.Queue][]int64{}
	var errs []error
	for _, id := range slices.Backward(ids) { // the newest are first in lists
		lane, err := a.journal.Replay(ctx, id, good)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		done++
		queue := bus.OfLane(lane)
		rings[queue] = append(rings[queue], id.GetChatId())
	}
	if a.Bus != nil {
		for queue, chats := range rings {
			a.Bus.Ring(queue, chats...)
		}
	}
	a.tell(subject.Planned, ids)
	if done > 0 {
		return done, nil // of those that were replayed meanwhile, the number tells
	}
	return 0, errors.Join(errs...)
}

func (a *Area) ended(ctx context.Context, ids []*chorusv1.TurnId) (int, error) {
	done, err := a.journal.ExpireTurns(ctx, ids, byHand)
	if err == nil {
		a.tell(subject.Expired, done)
	}
	return len(done), err
}

// words are the words of an action's pages.
type words struct{ act, title, outcome, does, did string }

func wordsOf(act string) words {
	if act == "replay" {
		return words{act, "Replay turns", "dead", "Replay", "Replayed"}
	}
	return words{act, "End turns", open, "End", "Ended"}
}

// confirmPage shows how many turns an act is about, and some of them.
func (a *Area) confirmPage(w http.ResponseWriter, r *http.Request) {
	f, err := filterOf(r)
	if err == nil {
		err = access.From(r.Context()).May(access.Viewer, false)
	}
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	act := wordsOf(chi.URLParam(r, "act"))
	f.Before = ""
	found, err := a.matching(r.Context(), f, act.outcome)
	a.pages.Show(w, r, err, func() page.View {
		return page.View{Title: act.title, Section: "turns", Body: confirm(act, f, found, a.may(r))}
	})
}

func (a *Area) allForm(w http.ResponseWriter, r *http.Request) {
	act := wordsOf(chi.URLParam(r, "act"))
	f, err := filterOf(r)
	back := "/turns/" + act.act + "?" + r.URL.RawQuery
	var done *doneAnswer
	if err == nil {
		var in allQuery
		in.Body.Filter = f
		if in.Body.Count, err = strconv.Atoi(r.PostFormValue("count")); err != nil {
			err = &operation.InvalidError{Field: "count", Value: strconv.Quote(r.PostFormValue("count")), Want: "the number of turns"}
		} else if done, err = a.all[act.act].Call(r.Context(), &in); err == nil {
			back = "/turns?" + f.Query("outcome", "before")
		}
	}
	a.pages.Done(w, r, back, said(act, done), err)
}

func said(act words, done *doneAnswer) string {
	if done == nil {
		return ""
	}
	return fmt.Sprintf("%s %d of %d turns.", act.did, done.Body.Done, done.Body.Of)
}

func (a *Area) oneForm(w http.ResponseWriter, r *http.Request) {
	in, err := turnOf(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	act := wordsOf(chi.URLParam(r, "act"))
	if act.act == "replay" {
		_, err = a.replay.Call(r.Context(), in)
	} else {
		_, err = a.expire.Call(r.Context(), in)
	}
	a.pages.Done(w, r, Path(in.ID, in.Number), act.did+" turn "+strconv.FormatInt(in.Number, 10)+".", err)
}
