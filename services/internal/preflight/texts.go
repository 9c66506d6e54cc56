package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	class "github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Provider is a provider of texts or embeddings, with the limits of its calls.
type Provider struct {
	llm.Provider

	Name string
	// Timeout limits a call, and LoadTimeout, if it is longer, the first one.
	Timeout, LoadTimeout time.Duration
}

const checkLLM = "llm"

// Texts makes a request like those of turns. It costs as much as one text, and proves that the
// address, the key and the model are right and such requests are accepted.
func Texts(ctx context.Context, p Provider, r llm.Request) []Finding {
	return asked(ctx, p, "writes", r)
}

// Embeddings requests the embedding of a word.
func Embeddings(ctx context.Context, p Provider) []Finding {
	return asked(ctx, p, "compares", llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Content: "tea"}}})
}

func asked(ctx context.Context, p Provider, does string, r llm.Request) []Finding {
	first := ask(ctx, p, r, max(p.Timeout, p.LoadTimeout))
	answer := first
	if first.err == nil && first.took > p.Timeout {
		answer = ask(ctx, p, r, p.Timeout) // the model is loaded now
	}
	if answer.err != nil {
		return []Finding{failed(p, answer)}
	}
	found := fmt.Sprintf("%s, after %v", does, answer.took.Round(time.Millisecond))
	if first.took > p.Timeout {
		found += fmt.Sprintf(", once it has loaded its model, which took %v", first.took.Round(time.Millisecond))
	}
	found = strings.Join(append([]string{found}, first.left...), "; ")
	if answer.truncated {
		return []Finding{warn(checkLLM, p.Name, found+"; its text was cut off at generator.max_tokens",
			"raise generator.max_tokens, or switch the model's thinking off (llm.extra), if texts are often cut off")}
	}
	return []Finding{well(checkLLM, p.Name, found)}
}

// answered is the result of a request.
type answered struct {
	err       error
	late      bool // no answer within limit
	limit     time.Duration
	took      time.Duration
	truncated bool
	left      []string // parts that the model refused and that are left out
}

// maxLeftOut limits how often a request is repeated without a part of it.
const maxLeftOut = 5

func ask(ctx context.Context, p Provider, r llm.Request, limit time.Duration) (a answered) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a.limit = limit
	for range maxLeftOut {
		began := time.Now()
		var answer llm.Response
		answer, a.err = p.Generate(ctx, r)
		a.took, a.late, a.truncated = time.Since(began), ctx.Err() != nil, answer.Truncated
		var refused *llm.Error
		if !errors.As(a.err, &refused) || !refused.Again {
			break
		}
		a.left = append(a.left, refused.Advice)
	}
	return a
}

// failed returns the finding for a failed request. Any answer shows that the address is right.
func failed(p Provider, a answered) Finding {
	var e *llm.Error
	errors.As(a.err, &e)
	what := a.err.Error()
	if e != nil {
		what = e.What()
	}
	remedy := func(other string) string {
		if e != nil && e.Advice != "" {
			return e.Advice
		}
		return other
	}
	switch {
	case a.late && a.limit < p.LoadTimeout:
		return fail(checkLLM, p.Name, fmt.Sprintf("gives no answer within %v, although its model is loaded", a.limit), "raise llm.timeout, or use a faster model")
	case a.late:
		return fail(checkLLM, p.Name, fmt.Sprintf("gives no answer within %v", a.limit),
			"raise llm.load_timeout if its model takes longer to load, and llm.timeout if it takes longer to write; else check llm.url")
	case class.ClassOf(a.err) == class.Throttled:
		return warn(checkLLM, p.Name, "takes the key, but no request now: "+what, "look at the quota and the rate limit of this key")
	case e != nil && e.Answered:
		return fail(checkLLM, p.Name, "answers, but without a text: "+what, remedy("try again; if it stays so, use another model (llm.model)"))
	case class.ClassOf(a.err) == class.Permanent:
		return fail(checkLLM, p.Name, "refuses: "+what, remedy("check the key (llm.key), the model (llm.model) and the address (llm.url)"))
	case e != nil && e.Status >= http.StatusInternalServerError:
		return fail(checkLLM, p.Name, "fails: "+what, "wait: it is tried again by itself; if it lasts, look into the provider's own state")
	case e != nil && e.Status >= http.StatusOK:
		return fail(checkLLM, p.Name, "answers, but with nothing of use: "+what, remedy("look into the provider's own log, and check llm.model and llm.url"))
	}
	return fail(checkLLM, p.Name, "can't be reached: "+what, "check llm.url, and whether this machine reaches it")
}

// Refused returns the states in which Telegram refused something. Telegram may accept it by now.
func Refused(states []rosterpg.Refusal) []Finding {
	var findings []Finding
	for _, s := range states {
		switch s.What() {
		case rosterpg.BotStopped:
			findings = append(findings, warn("bot", s.Subject(), s.String(), "it starts by itself at a try that succeeds; at once: chorus resume bot "+s.Bot))
		case rosterpg.BotSuspended, rosterpg.BotResting, rosterpg.BotOnTrial:
			findings = append(findings, warn("member", s.Subject(), s.String(),
				"it acts again by itself after a try that succeeds; at once: chorus resume chat "+s.Chat))
		case rosterpg.ReactionsClosed:
			findings = append(findings, warn("chat", s.Subject(), s.String(),
				"it gets reactions again after a try that succeeds; at once: chorus resume chat "+s.Chat+
					"; if its administrators want none, all is well"))
		}
	}
	return findings
}

// Tokens reports tokens that can't be decrypted, and an unfinished rotation of the keys.
func Tokens(states []rosterpg.TokenState) []Finding {
	const check = "token"
	var findings []Finding
	plays := 0
	for _, s := range states {
		if !s.Plays {
			continue
		}
		plays++
		if s.Err != nil {
			findings = append(findings, fail(check, s.Bot, s.Err.Error(), "give the key that sealed it, or apply the bot with its token"))
		}
	}
	if stale := rosterpg.StaleCount(states); stale > 0 {
		findings = append(findings, warn(check, "keys", fmt.Sprintf("%d tokens are sealed with an older key", stale), "once all senders and listeners have been restarted with the new key, run chorus secrets rotate"))
	}
	if len(findings) == 0 && plays > 0 {
		findings = append(findings, well(check, "", fmt.Sprintf("%d can be opened with the keys given to this command", plays)))
	}
	return findings
}
