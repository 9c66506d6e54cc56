package cast

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

type draftAsked struct {
	Body struct {
		Name string `json:"name" doc:"what the chat sees"`
		Like string `json:"like" doc:"what it is like, in a few words or sentences"`
		Chat string `json:"chat,omitempty" doc:"where it is to play, by the chat's name"`
	}
}

type draftAnswer struct {
	Body struct {
		Bot  string `json:"bot" doc:"its name in the cast"`
		File string `json:"file" doc:"the whole cast with the new persona: plan and apply it"`
	}
}

const (
	longestName = 64
	longestLike = 2000
)

func (a *Area) draftPersona(ctx context.Context, in *draftAsked) (*draftAnswer, error) {
	cast, bot, err := a.drafted(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &draftAnswer{}
	cast.Bots = append(cast.Bots, bot)
	out.Body.Bot, out.Body.File = bot.Name, string(castfile.Format(cast))
	return out, nil
}

// drafted returns a new bot and the cast with it.
func (a *Area) drafted(ctx context.Context, in *draftAsked) (cast roster.Cast, bot roster.Bot, err error) {
	name, like := strings.TrimSpace(in.Body.Name), strings.TrimSpace(in.Body.Like)
	if err := errors.Join(lengthOf("name", name, longestName), lengthOf("what it is like", like, longestLike)); err != nil {
		return cast, bot, operation.Invalid(err)
	}
	if cast, err = a.roster(ctx); err != nil {
		return cast, bot, err
	}
	taken := cast.Bots // who was removed keeps the name
	cast = cast.Present()
	topics := []string{}
	if chat := strings.TrimSpace(in.Body.Chat); chat != "" {
		i := slices.IndexFunc(cast.Chats, func(c roster.Chat) bool { return c.Name == chat })
		if i < 0 {
			return cast, bot, &operation.InvalidError{Field: "where it plays", Value: fmt.Sprintf("%.60q", chat), Want: "the name of a chat of the cast, or nothing"}
		}
		topics = cast.Chats[i].Topics
	}
	bot = schemaOf("bots").New().Interface().(roster.Bot) //nolint:forcetypeassert // New makes what it is asked for
	bot.Name = nameOf(name, taken)
	bot.Persona = a.persona(ctx, name, like, topics)
	bot.Persona.DisplayName = name
	if chat := strings.TrimSpace(in.Body.Chat); chat != "" {
		join(&cast, bot.Name, []string{chat})
	}
	return cast, bot, nil
}

// lengthOf is an error if a text is empty or too long.
func lengthOf(field, text string, longest int) error {
	n := utf8.RuneCountInString(text)
	if n < 1 || n > longest {
		return fmt.Errorf("%s: has %d characters, want 1 to %d", field, n, longest)
	}
	return nil
}

// nameOf makes a name in the cast of what the chat sees.
func nameOf(display string, taken []roster.Bot) string {
	first, _, _ := strings.Cut(strings.ToLower(display), " ")
	base := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(first, "-"), "-")
	base = cmp.Or(base[:min(len(base), longestName-4)], "persona")
	name := base
	for n := 2; slices.ContainsFunc(taken, func(b roster.Bot) bool { return b.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

const draftPrompt = `You make personas for a group chat of openly artificial bots. Answer with one JSON object and nothing else:
{"summary": "who it is, in two to four sentences, third person", "tone": "one or two words, such as warm or dry", "hint": "a habit of speech, one sentence",
"phrases": ["up to three short phrases that it likes to use"], "interests": ["three to six things that draw it into a talk"], "empathy": 0.5, "energy": 0.5}
empathy and energy are from 0 to 1. Write in the language of the description. Never make it somebody real.`

// persona drafts one with the model, or without one by what the description says.
func (a *Area) persona(ctx context.Context, name, like string, topics []string) roster.Persona {
	p := plain(name, like, topics)
	if a.Write == nil {
		return p
	}
	text, err := a.Write(ctx, draftPrompt, fmt.Sprintf("Name: %s\nWhat it is like: %s\nTopics of its chat: %s", name, like, strings.Join(topics, ", ")))
	if err != nil {
		return p // the form shows the plain draft, which can be written on
	}
	var wrote struct {
		Summary   string   `json:"summary"`
		Tone      string   `json:"tone"`
		Hint      string   `json:"hint"`
		Phrases   []string `json:"phrases"`
		Interests []string `json:"interests"`
		Empathy   *float32 `json:"empathy"`
		Energy    *float32 `json:"energy"`
	}
	from, to := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
	if from < 0 || to < from || json.Unmarshal([]byte(text[from:to+1]), &wrote) != nil || wrote.Summary == "" {
		return p
	}
	p.Summary, p.Tone, p.Hint = wrote.Summary, names.Cut(cmp.Or(wrote.Tone, p.Tone), longestName), wrote.Hint
	p.Phrases, p.Interests = wrote.Phrases, wrote.Interests
	for _, scale := range []struct{ to, from *float32 }{{&p.Empathy, wrote.Empathy}, {&p.Energy, wrote.Energy}} {
		if scale.from != nil {
			*scale.to = min(max(*scale.from, 0), 1)
		}
	}
	return p
}

// plain is a persona without a model: its tone is the character that the description
// names or is nearest to.
func plain(name, like string, topics []string) roster.Persona {
	p := schemaOf("bots").New().Interface().(roster.Bot).Persona //nolint:forcetypeassert // New makes what it is asked for
	p.Tone = voice.Character(like, name)
	p.Summary = like
	if !strings.Contains(like, " ") || !strings.ContainsAny(like, ".!?") {
		p.Summary = name + " is " + strings.TrimSuffix(like, ".") + "."
	}
	energies := map[string]float32{"lively": 0.8, "playful": 0.7, "warm": 0.5, "blunt": 0.5, "dry": 0.4, "thoughtful": 0.3}
	empathies := map[string]float32{"warm": 0.9, "thoughtful": 0.7, "playful": 0.6, "lively": 0.5, "dry": 0.3, "blunt": 0.2}
	p.Energy, p.Empathy = energies[p.Tone], empathies[p.Tone]
	p.Interests = slices.Clone(topics[:min(len(topics), 5)])
	return p
}

// join makes a bot play in these chats and no others.
func join(cast *roster.Cast, bot string, chats []string) {
	all := slices.Clone(cast.Chats)
	for i := range all {
		c := &all[i]
		c.Cast = slices.DeleteFunc(slices.Clone(c.Cast), func(name string) bool { return name == bot })
		if slices.Contains(chats, c.Name) {
			c.Cast = append(c.Cast, bot)
		}
	}
	cast.Chats = all
}
