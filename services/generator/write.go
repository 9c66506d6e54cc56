package generator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/nature"
)

var (
	// errLate reports that a turn expired before it had a text.
	errLate = errors.New("its time was over before its text was written")
	// errPassed reports that the writer had nothing to add.
	errPassed = errors.New("nothing to add")
	// errObjected reports that the guard objected to all drafts.
	errObjected = errors.New("the guard objects")
)

// attempt writes the text of one turn.
type attempt struct {
	*Generator
	turn    *chorusv1.Turn
	scene   *scene
	request llm.Request
	heard   *heard
}

// write returns a turn's text as it is sent. A draft that the guard objects to is rewritten once.
// If the second draft is no better, write mends one of them if it can; else the turn has no text.
// While no provider accepts calls, the turn waits; this costs it none of its attempts.
func (g *Generator) write(ctx context.Context, t *chorusv1.Turn, s *scene) (string, error) {
	if s.Answering != nil {
		// A model must not decide whether the bot calls itself a human: the answer is fixed.
		if honest := nature.Answer(s.Answering.Text, s.Language, s.Seed); honest != "" {
			s.honest = true
			return compose(honest, chorusv1.Mention_MENTION_UNSPECIFIED, "", s.Disclaimer), nil
		}
	}
	messages, err := g.messages(s)
	if err != nil {
		return "", fail.AsPermanent(err)
	}
	s.prompt = messages
	p := &attempt{Generator: g, turn: t, scene: s, request: g.cfg.request(messages...)}
	p.heard = g.repeats.listen(questionOf(t), s.said, names.Line(s.Disclaimer, 0))
	first, err := p.draft(ctx, llm.PurposeText, s.Seed)
	if err != nil {
		return "", err
	}
	if p.passes(first) {
		return "", errPassed
	}
	objection, err := p.object(ctx, first)
	if err != nil {
		return "", err
	}
	if objection == nil {
		return p.compose(first.Text), nil
	}
	p.objected(objection)
	g.Metrics.objected(objection.Rule, "rewritten")
	p.request.Messages = prompt.Objected(messages, first.Text, objection.Reason)
	second, err := p.draft(ctx, llm.PurposeRewrite, s.Seed+1)
	if err != nil {
		return "", err
	}
	if p.passes(second) {
		return "", errPassed
	}
	p.heard.hereOnly = s.Answering != nil && s.Answering.Person != 0
	objection, err = p.object(ctx, second)
	if err != nil {
		return "", err
	}
	if objection == nil {
		return p.compose(second.Text), nil
	}
	p.objected(objection)
	return p.mend(ctx, objection, second, first)
}

// messages returns the prompt for a model. The offline writer needs none: it reads the scene.
func (g *Generator) messages(s *scene) ([]llm.Message, error) {
	if !g.Texts.Model() {
		return nil, nil
	}
	shown := s.Scene
	if zone, err := time.LoadLocation(s.timeZone); err == nil { // checked when the cast was applied
		shown.Now = shown.Now.In(zone)
	}
	system, err := g.prompts.System(shown)
	if err != nil {
		return nil, err
	}
	user, err := g.prompts.User(shown, system)
	return []llm.Message{system, user}, err
}

// draft asks for a draft. The offline writer writes another one for another seed.
func (p *attempt) draft(ctx context.Context, purpose llm.Purpose, seed uint64) (llm.Response, error) {
	has, cancel := context.WithTimeout(ctx, p.left(p.turn))
	defer cancel()
	facts := p.scene.Scene
	facts.Seed, p.request.About = seed, p.about(purpose)
	answer, err := p.Texts.Generate(script.With(has, facts), p.request)
	switch {
	case err == nil && has.Err() == nil:
		answer = whole(answer)
		p.scene.drafts = append(p.scene.drafts, journal.Draft{Text: answer.Text})
		return answer, nil
	case ctx.Err() != nil:
		return answer, ctx.Err()
	case has.Err() != nil && err == nil:
		return answer, errLate
	case has.Err() != nil:
		return answer, fmt.Errorf("%w: %w", errLate, err)
	case errors.Is(err, chain.ErrRefused):
		return answer, err
	}
	// No other error is permanent for the turn: a key may be corrected, and another draft may not
	// be filtered.
	return answer, fail.AsTransient(err)
}

// passes reports whether the writer has nothing to add and may pass. If it may not pass, the guard
// objects.
func (p *attempt) passes(answer llm.Response) bool {
	return p.scene.MayPass && script.Passes(undisclaimed(answer.Text, p.scene.Disclaimer))
}

// whole drops the last sentence of an answer that was cut off within it. An answer without another
// sentence stays truncated.
func whole(answer llm.Response) llm.Response {
	if text := sentences(answer.Text); answer.Truncated && text != "" {
		answer.Text, answer.Truncated = text, false
	}
	return answer
}

func (p *attempt) about(purpose llm.Purpose) llm.About {
	id := p.turn.GetId()
	return llm.About{Purpose: purpose, Chat: id.GetChatId(), Turn: id.GetNumber(), Bot: p.turn.GetBotId(), Prompt: p.prompts.Version()}
}

// compose returns the text to send for a draft that passed. The name of the person it answers is
// left out if the guard objects to the text because of it. Bots' names are never left out: the
// operator chose them.
func (p *attempt) compose(draft string) string {
	where, whom := p.addressees(draft)
	named, ofBot := compose(draft, where, whom, ""), p.scene.also == "" && p.scene.Answering != nil && p.scene.Answering.FromBot
	if !ofBot && named != compose(draft, where, "", "") && guard.CheckNamed(guard.Draft{Text: named, Scene: p.scene.Scene, Allowed: p.scene.present}) != nil {
		whom = ""
	}
	first, rest, broken := strings.Cut(undisclaimed(draft, p.scene.Disclaimer), "\n")
	if p.turn.GetBubbles() && broken && !mentions(rest, whom) {
		return compose(first, where, whom, "") + "\n" + compose(rest, chorusv1.Mention_MENTION_UNSPECIFIED, "", p.scene.Disclaimer)
	}
	return compose(draft, where, whom, p.scene.Disclaimer)
}

// addressees returns the names that a draft must contain, and their place. If two people are
// answered, both are named, so that Telegram notifies each.
func (p *attempt) addressees(draft string) (chorusv1.Mention, string) {
	if p.scene.also == "" {
		return p.turn.GetMention(), p.scene.answering
	}
	var missing []string
	for _, name := range []string{p.scene.answering, p.scene.also} {
		if name != "" && !mentions(draft, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return chorusv1.Mention_MENTION_UNSPECIFIED, ""
	}
	return chorusv1.Mention_MENTION_START, strings.Join(missing, ", ") + ":"
}

// object checks a draft by the guard, against earlier texts, and, if in doubt, by a model.
func (p *attempt) object(ctx context.Context, answer llm.Response) (*guard.Objection, error) {
	d := guard.Draft{Text: undisclaimed(answer.Text, p.scene.Disclaimer), Scene: p.scene.Scene, Allowed: p.scene.present, Offline: answer.Offline}
	if answer.Offline {
		d.Scene.Stances = nil // the offline writer keeps to stances itself, better than the guard can check
	}
	if o := guard.Check(d); o != nil {
		return o, nil
	}
	if answer.Truncated {
		return &guard.Objection{Rule: guard.RuleTooLong, Reason: "It was cut off within its first sentence: write a shorter one."}, nil
	}
	for _, text := range p.repeatable(d.Text) {
		if o, err := p.heard.find(ctx, text); err != nil || o != nil {
			return o, err
		}
	}
	if o := p.resembles(ctx, d); o != nil {
		return o, nil
	}
	return p.judge(ctx, d), nil
}

// repeatable returns the parts of a text that must not repeat an earlier one: the whole, and each
// part that becomes a message of its own.
func (p *attempt) repeatable(text string) []string {
	all := []string{text}
	if parts := bubbles(text); p.turn.GetBubbles() && len(parts) > 1 {
		for _, part := range parts {
			if len(strings.Fields(part)) >= minRepeated {
				all = append(all, part)
			}
		}
	}
	return all
}

// objected records the objection to the last draft.
func (p *attempt) objected(o *guard.Objection) {
	last := &p.scene.drafts[len(p.scene.drafts)-1]
	last.Rule, last.Reason, last.Found = o.Rule, o.Reason, o.Found
}

// resembles objects to a text that says the same as an earlier one in other words. Without a
// provider of embeddings, or without its answer, it doesn't object.
func (p *attempt) resembles(ctx context.Context, d guard.Draft) *guard.Objection {
	if d.Offline || !p.meanings.compared() {
		return nil
	}
	said, err := p.meanings.nearest(ctx, d.Text, p.heard.said, p.about(llm.PurposeLikeness))
	if err != nil {
		p.Log.Debug("nobody compared what a draft means", zap.Error(err))
		return nil
	}
	if said == "" {
		return nil
	}
	reason := fmt.Sprintf("It says the same as %s. Say something else.", p.heard.earlier(said))
	return &guard.Objection{Rule: guard.RuleRepeat, Reason: reason}
}

// judge asks a model whether the draft contradicts a stance, if one is in doubt. It doesn't object
// if there is no answer, or no budget for one.
func (p *attempt) judge(ctx context.Context, d guard.Draft) *guard.Objection {
	if !p.cfg.JudgeStances || d.Offline || !p.Texts.Model() {
		return nil
	}
	stance := guard.Doubtful(d)
	if stance == nil {
		return nil
	}
	answer, err := p.Texts.Generate(ctx, llm.Request{
		Messages:  prompt.Judge(p.scene.Persona.Name, stance.Text, d.Text),
		MaxTokens: max(judgeTokens, p.cfg.MaxTokens), // a model that thinks needs many tokens for one word, too
		About:     p.about(llm.PurposeJudge),
	})
	if err != nil {
		p.Log.Debug("nobody judged a draft", zap.Error(err))
		return nil
	}
	if answer.Offline || !strings.HasPrefix(strings.ToUpper(strings.TrimSpace(answer.Text)), "YES") {
		return nil
	}
	reason := fmt.Sprintf("It contradicts what %s thinks of %s: %s", p.scene.Persona.Name, stance.Topic, stance.Text)
	return &guard.Objection{Rule: guard.RuleStance, Reason: reason}
}

// judgeTokens is enough for an answer of one word.
const judgeTokens = 64

// mend tries to repair rejected drafts, the later one first: it removes what the guard would object
// to, shortens the text, and returns the first that then passes.
func (p *attempt) mend(ctx context.Context, last *guard.Objection, drafts ...llm.Response) (string, error) {
	for i, d := range drafts {
		bare := undisclaimed(d.Text, p.scene.Disclaimer)
		mended := guard.Mend(guard.Draft{Text: bare, Scene: p.scene.Scene})
		mended = fit(mended, guard.MaxLength(p.scene.Length))
		if mended == bare || mended == "" {
			continue
		}
		d.Text = mended
		o, err := p.object(ctx, d)
		if err != nil {
			return "", err
		}
		if o == nil {
			p.Metrics.objected(last.Rule, "mended")
			p.scene.drafts[len(p.scene.drafts)-1-i].Mended = true
			return p.compose(mended), nil
		}
	}
	p.Metrics.objected(last.Rule, "skipped")
	return "", fmt.Errorf("%w: %s: %s", errObjected, last.Rule, last.Reason)
}
