package generator

import (
	"context"
	"errors"
	"maps"
	"slices"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
)

// scene holds everything that a turn's text is written from.
type scene struct {
	script.Scene
	// answering is the username or name of the answered message's author; "" for none, and for a
	// name that must not be said.
	answering string
	// also is the same for the second message that is answered.
	also string
	wpm  float64
	// timeZone is the chat's.
	timeZone string
	// present holds the usernames that the text may mention.
	present []string
	// memories holds memories of all chats, later those chosen for the prompt; learned holds this
	// chat's.
	memories, learned []memory.Chosen
	// cast holds the names of the chat's personas.
	cast []string
	// honest reports that the text answers a person who asked whether this is a bot.
	honest bool
	// said holds the texts that must not be repeated.
	said []said
	// prompt is the request to the model, and drafts are its answers.
	prompt []llm.Message
	drafts []journal.Draft
}

// mayPass reports whether the writer may pass. It may not if the previous text was passed, if
// nothing was said yet, or if a person asked.
func (p past) mayPass() bool {
	return len(p.lines) > 0 && !p.passed && p.also == nil && (p.answered == nil || p.answered.FromBot)
}

// maxMemories limits the memories in a prompt.
const maxMemories = 3

// offlineHistory is the number of lines that a provider without a model reads, to avoid
// repetitions.
const offlineHistory = 200

func (g *Generator) shown() int {
	if g.Texts.Model() {
		return g.cfg.History
	}
	return offlineHistory
}

// load reads a scene: the cast from the cache, and the chat's messages by one statement that many
// turns share.
func (g *Generator) load(ctx context.Context, t *chorusv1.Turn) (*scene, error) {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	s := &scene{Scene: script.Scene{
		Topic: t.GetTopic(), Seed: t.GetSeed(), Length: lengthOf(t.GetLength()), Refresh: t.GetRefreshPersona(), Bubbles: t.GetBubbles(),
		Note: t.GetNote(), Now: g.Now(),
	}}
	chat := t.GetId().GetChatId()
	if err := s.part(ctx, g.Roster, rostercache.BotID(t.GetBotId()), rostercache.ChatID(chat)); err != nil {
		return nil, err
	}
	past, err := g.past.Do(ctx, questionOf(t))
	if err != nil {
		return nil, err
	}
	history, err := g.history(ctx, past.lines)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(g.name(ctx, past.answered), g.name(ctx, past.also)); err != nil {
		return nil, err
	}
	s.MayPass = past.mayPass()
	s.set(history, past.answered, past.also)
	s.learned, s.said = past.learned, past.said
	s.remember()
	return s, nil
}

func questionOf(t *chorusv1.Turn) question {
	return question{t.GetId().GetChatId(), t.GetId().GetNumber(), t.GetBotId(), t.GetTargetMessage(), t.GetAlsoAnswers()}
}

// history returns the latest lines with the names of their authors.
func (g *Generator) history(ctx context.Context, lines []*heardLine) ([]script.Line, error) {
	lines = lines[max(0, len(lines)-g.shown()):]
	bots := map[rostercache.BotID]bool{}
	for _, l := range lines {
		bots[rostercache.BotID(l.Bot)] = true
	}
	personas, err := g.Roster.Personas(ctx, slices.Collect(maps.Keys(bots))...)
	if err != nil {
		return nil, err
	}
	history := make([]script.Line, len(lines))
	for i, l := range lines {
		if history[i] = l.Line; l.FromBot {
			history[i].Author = personas[rostercache.BotID(l.Bot)].DisplayName
		}
	}
	return history, nil
}

// name fills in the name of the bot that wrote an answered message.
func (g *Generator) name(ctx context.Context, t *target) error {
	if t == nil || !t.FromBot {
		return nil
	}
	b, _, err := g.Roster.Bot(ctx, rostercache.BotID(t.Bot))
	if err != nil {
		return err
	}
	p, _, err := g.Roster.Persona(ctx, rostercache.BotID(t.Bot))
	t.Author, t.username = p.DisplayName, b.Username
	return err
}

// set fills in the history and the answered messages. If the first of these is gone, the other
// takes its place.
func (s *scene) set(past []script.Line, answered, also *target) {
	if answered == nil {
		answered, also = also, nil
	}
	lines := make([]*script.Line, 0, len(past)+1)
	for i := range past {
		lines = append(lines, &past[i])
	}
	if answered != nil {
		lines = append(lines, &answered.Line)
	}
	if also != nil {
		lines = append(lines, &also.Line)
	}
	mark(lines, s.Persona.ID)
	s.History = past
	if answered == nil {
		return
	}
	s.Answering, s.answering = &answered.Line, s.naming(answered)
	if answered.topic != "" {
		s.Topic = answered.topic // an answer keeps the topic of the message it answers
	}
	if also == nil {
		return
	}
	// A text that answers a person without a name in it would not be found when that person asks to
	// be forgotten.
	if name := s.naming(also); name != "" {
		s.Also, s.also = &also.Line, name
	}
}

// naming returns the name that a text uses for a message's author; "" if there is none to use.
func (s *scene) naming(t *target) string {
	if t.username == "" {
		return names.Sayable(t.Author)
	}
	s.present = append(s.present, "@"+t.username)
	return "@" + t.username
}

// presenceWindow is the number of latest messages whose authors count as present.
const presenceWindow = 15

// remember chooses the memories that the prompt shows.
func (s *scene) remember() {
	present := memory.Present{Bots: map[int64]string{}, People: map[int64]string{}, Cast: s.cast}
	for _, l := range s.History[max(0, len(s.History)-presenceWindow):] {
		switch {
		case l.Person != 0:
			present.People[l.Person] = l.Author
		case l.Bot != s.Persona.ID:
			present.Bots[l.Bot] = l.Author
		}
	}
	s.memories = memory.Choose(slices.Concat(s.memories, s.learned), s.Topic, present, maxMemories)
	for _, m := range s.memories {
		s.Memories = append(s.Memories, m.Content)
	}
}

func lengthOf(l chorusv1.Length) script.Length {
	switch l {
	case chorusv1.Length_LENGTH_SHORT:
		return script.Short
	case chorusv1.Length_LENGTH_LONG:
		return script.Long
	case chorusv1.Length_LENGTH_MEDIUM, chorusv1.Length_LENGTH_UNSPECIFIED:
	}
	return script.Medium
}
