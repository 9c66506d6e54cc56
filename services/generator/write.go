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
	// errLate is why a turn whose time is over has no text.
	errLate = errors.New("its time was over before its text was written")
	// errPassed is why a turn whose writer had nothing to add has no text.
	errPassed = errors.New("nothing to add")
	// errObjected is why a turn that nothing good was written for has none.
	errObjected = errors.New("the guard objects")
)

// piece is a text in the making.
type piece struct {
	*Generator
	turn    *chorusv1.Turn
	scene   *scene
	request llm.Request
	heard   *heard
}

// write gives the text of a turn as it is sent. A draft that the guard objects to
// is written once more; then what can be mended is, and otherwise the turn has no
// text. While no provider takes a call the turn waits: that is no failure of the
// turn, and uses up none of its attempts.
func (g *Generator) write(ctx context.Context, t *chorusv1.Turn, s *scene) (string, error) {
	if s.Answering != nil {
		// Whether this is a human is nothing to leave to a model.
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
	p := &piece{Generator: g, turn: t, scene: s, request: g.cfg.request(messages...)}
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

// messages are what a model is asked. The offline writer reads the scene alone.
func (g *Generator) messages(s *scene) ([]llm.Message, error) {
	if !g.Texts.Model() {
		return nil, nil
	}
	shown := s.Scene
	if zone, err := time.LoadLocation(s.timeZone); err == nil { // it was checked when the cast was applied
		shown.Now = shown.Now.In(zone)
	}
	system, err := g.prompts.System(shown)
	if err != nil {
		return nil, err
	}
	user, err := g.prompts.User(shown, system)
	return []llm.Message{system, user}, err
}

// draft asks for one. The offline writer gives another one for another seed.
func (p *piece) draft(ctx context.Context, purpose llm.Purpose, seed uint64) (llm.Response, error) {
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
	// No other is permanent for the turn: a key may be corrected, another draft may not
	// be filtered.
	return answer, fail.AsTransient(err)
}

// passes tells whether whoever writes has nothing to add, and may say so. Where they may
// not, the guard objects.
func (p *piece) passes(answer llm.Response) bool {
	return p.scene.MayPass && script.Passes(undisclaimed(answer.Text, p.scene.Disclaimer))
}

// whole is an answer that was cut off without its last sentence, of which only a part
// is there. It stays truncated if there is no other.
func whole(answer llm.Response) llm.Response {
	if text := sentences(answer.Text); answer.Truncated && text != "" {
		answer.Text, answer.Truncated = text, false
	}
	return answer
}

func (p *piece) about(purpose llm.Purpose) llm.About {
	id := p.turn.GetId()
	return llm.About{Purpose: purpose, Chat: id.GetChatId(), Turn: id.GetNumber(), Bot: p.turn.GetBotId(), Prompt: p.prompts.Version()}
}

// compose makes a draft that passed the text that is sent. The name of a person whom it
// answers is left out where it makes of the text what the guard objects to; those of bots
// were given to them by whoever runs the cast.
func (p *piece) compose(draft string) string {
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

// addressees are whom a draft is to name, and where: of two who are answered both, so that
// each sees it.
func (p *piece) addressees(draft string) (chorusv1.Mention, string) {
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

// object asks the guard, then what was said before, and in case of doubt a model.
func (p *piece) object(ctx context.Context, answer llm.Response) (*guard.Objection, error) {
	d := guard.Draft{Text: undisclaimed(answer.Text, p.scene.Disclaimer), Scene: p.scene.Scene, Allowed: p.scene.present, Offline: answer.Offline}
	if answer.Offline {
		d.Scene.Stances = nil // it looks after them itself, and better than by words
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

// repeatable are what of a text must not have been said: all of it, and what becomes a
// message of its own.
func (p *piece) repeatable(text string) []string {
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

// objected notes what is objected to in the last draft.
func (p *piece) objected(o *guard.Objection) {
	last := &p.scene.drafts[len(p.scene.drafts)-1]
	last.Rule, last.Reason, last.Found = o.Rule, o.Reason, o.Found
}

// resembles objects to a text that says what was said, in other words, where a
// provider of embeddings can tell. No answer is no objection.
func (p *piece) resembles(ctx context.Context, d guard.Draft) *guard.Objection {
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

// judge asks a model about a stance that the draft may contradict, if there is one
// and the budget allows. No answer is no objection.
func (p *piece) judge(ctx context.Context, d guard.Draft) *guard.Objection {
	if !p.cfg.JudgeStances || d.Offline || !p.Texts.Model() {
		return nil
	}
	stance := guard.Doubtful(d)
	if stance == nil {
		return nil
	}
	answer, err := p.Texts.Generate(ctx, llm.Request{
		Messages:  prompt.Judge(p.scene.Persona.Name, stance.Text, d.Text),
		MaxTokens: max(judgeTokens, p.cfg.MaxTokens), // a model that thinks needs as much for a word
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

// judgeTokens is room for a word, at least.
const judgeTokens = 64

// mend makes the best of drafts that were objected to, the last one first: the later one that passes
// once what can be taken from it is taken, and shortened where it was too long.
func (p *piece) mend(ctx context.Context, last *guard.Objection, drafts ...llm.Response) (string, error) {
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
