package generator

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

// errNoPart reports that the bot left the chat after the turn was planned. The sender would not
// send its text, so none is generated.
var errNoPart = errors.New("the bot does not play in the chat")

// maxShown limits the stances, and likewise the holdings, in a prompt.
const maxShown = 6

// part fills in the speaker and the chat. If the bot has no part there, its cached rows are read
// again before the turn is dropped: the bot may have joined the cast a moment ago.
func (s *scene) part(ctx context.Context, roster *rostercache.Roster, bot rostercache.BotID, chat rostercache.ChatID) error {
	err := s.enter(ctx, roster, bot, chat)
	if errors.Is(err, errNoPart) {
		roster.Changed(ctx, bot, chat)
		err = s.enter(ctx, roster, bot, chat)
	}
	return err
}

func (s *scene) enter(ctx context.Context, roster *rostercache.Roster, bot rostercache.BotID, chat rostercache.ChatID) error {
	b, known, err := roster.Bot(ctx, bot)
	if err != nil {
		return err
	}
	c, there, err := roster.Chat(ctx, chat)
	if err != nil {
		return err
	}
	cast, err := roster.Cast(ctx, chat)
	if err != nil {
		return err
	}
	p, found, err := roster.Persona(ctx, bot)
	if err != nil {
		return err
	}
	if !found || !known || !there || !b.Acts() || c.Removed || !cast.Plays(bot) {
		return errNoPart
	}
	s.Persona = script.Persona{
		ID: int64(bot), Name: p.DisplayName, Summary: p.Summary, Tone: p.Tone, Phrases: p.Phrases, Interests: p.Interests,
		Hint: p.Hint, Empathy: p.Empathy, Energy: p.Energy, Voice: voice.Of(p.Voice, p.Tone, p.Energy, p.DisplayName),
	}
	s.wpm, s.timeZone = b.TypingWPM, c.TimeZone
	s.Happening = c.Scene.At(s.Now)
	s.Purpose, s.Disclaimer, s.ForbidAdvice, s.Language, s.Topics = c.Purpose, c.Disclaimer, c.ForbidAdvice, c.Language, c.Topics
	if err := s.company(ctx, roster, cast); err != nil {
		return err
	}
	return s.mind(ctx, roster, bot)
}

// company fills in the names of the chat's personas.
func (s *scene) company(ctx context.Context, roster *rostercache.Roster, cast rostercache.Cast) error {
	s.cast = nil
	for bot := range cast {
		p, found, err := roster.Persona(ctx, bot)
		if err != nil {
			return err
		}
		if found {
			s.cast = append(s.cast, p.DisplayName)
		}
	}
	return nil
}

// mind fills in the bot's stances, holdings and memories.
func (s *scene) mind(ctx context.Context, roster *rostercache.Roster, bot rostercache.BotID) error {
	stances, err := roster.Stances(ctx, bot)
	if err != nil {
		return err
	}
	// The firmest stances first. A sorted copy: the roster's list is shared, and ordered by topic.
	firmest := slices.SortedStableFunc(slices.Values(stances[bot]), func(a, b rostercache.Stance) int {
		return cmp.Compare(b.Confidence, a.Confidence)
	})
	s.Stances = nil
	for _, stance := range firmest[:min(len(firmest), maxShown)] {
		s.Stances = append(s.Stances, script.Stance{Topic: stance.Topic, Text: stance.Text, Confidence: stance.Confidence})
	}
	holdings, err := roster.Holdings(ctx, bot)
	if err != nil {
		return err
	}
	s.Holdings = holdings[:min(len(holdings), maxShown):min(len(holdings), maxShown)]
	s.memories, err = roster.Memories(ctx, bot)
	return err
}
