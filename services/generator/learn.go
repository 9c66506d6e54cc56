package generator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/people/trace"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

const (
	learnLook    = 30 * time.Second
	learnTimeout = 2 * time.Minute
	learnTokens  = 500
	// maxFound limits the memories that one search may add.
	maxFound = 6
	// maxLearnedContent limits the length of a memory, in characters.
	maxLearnedContent = 240
	pruneEvery        = time.Hour
)

// learn searches the talks of chats for memories, one after the other, until the context ends.
// Texts of turns have precedence: a search waits for no provider, and stops for a while when the
// budget is nearly used up.
func (g *Generator) learn(ctx context.Context) {
	look, prune := time.NewTicker(learnLook), time.NewTicker(pruneEvery)
	defer look.Stop()
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-prune.C:
			if err := usage.Prune(ctx, g.Pool); err != nil && ctx.Err() == nil {
				g.Log.Warn("old usage stays", zap.Error(err))
			}
			continue
		case <-look.C:
		}
		if g.cfg.LearnEvery == 0 || !g.Texts.Model() {
			continue
		}
		for {
			searched, err := g.learnOne(ctx)
			if err != nil && ctx.Err() == nil && !errors.Is(err, chain.ErrUnavailable) {
				g.Log.Info("a talk was searched for memories in vain", zap.Error(err))
			}
			if !searched || err != nil {
				break
			}
		}
	}
}

// learnOne searches one chat's talk, if one is due.
func (g *Generator) learnOne(ctx context.Context) (searched bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	talk, err := memory.Claim(ctx, g.Pool, g.cfg.LearnEvery)
	if err != nil || talk == nil {
		return false, err
	}
	in := castOf(talk)
	messages, err := prompt.Remember(in.cast, in.lines(talk))
	if err != nil {
		return true, err
	}
	answer, err := g.Texts.Generate(ctx, llm.Request{
		Messages: messages, MaxTokens: max(learnTokens, g.cfg.MaxTokens),
		About: llm.About{Purpose: llm.PurposeMemory, Chat: talk.Chat, Prompt: g.prompts.Version()},
	})
	if err != nil {
		return true, err
	}
	var found []memory.New
	if !answer.Offline {
		if found, err = readMemories(answer.Text, in); err != nil {
			g.Log.Debug("an answer has no memories", zap.Error(err))
		}
	}
	if err := memory.Learn(ctx, g.Pool, talk, found); err != nil {
		return true, err
	}
	g.Metrics.found(len(found))
	return true, nil
}

// members holds the members of a talk by their marks ("bot 1", "person 2").
type members struct {
	bots, people map[string]int64
	names        map[string]string
	cast         []prompt.Member
}

// castOf gives marks to the members of a talk, in the order of their ids.
func castOf(talk *memory.Talk) *members {
	m := &members{bots: map[string]int64{}, people: map[string]int64{}, names: map[string]string{}}
	for i, id := range slices.Sorted(maps.Keys(talk.Cast)) {
		mark := fmt.Sprintf("%s %d", markBot, i+1)
		m.bots[mark], m.names[mark] = id, talk.Cast[id]
		m.cast = append(m.cast, prompt.Member{Mark: mark, Name: talk.Cast[id]})
	}
	for i, id := range slices.Sorted(maps.Keys(talk.People)) {
		mark := fmt.Sprintf("%s %d", markPerson, i+1)
		m.people[mark], m.names[mark] = id, talk.People[id]
	}
	return m
}

func (m *members) lines(talk *memory.Talk) []script.Line {
	marks := func(of map[string]int64, id int64) string {
		for mark, have := range of {
			if have == id {
				return mark
			}
		}
		return ""
	}
	lines := make([]script.Line, len(talk.Lines))
	for i, l := range talk.Lines {
		lines[i] = script.Line{Author: l.Author, Text: l.Text, FromBot: l.Bot != 0, Bot: l.Bot, Person: l.Person, At: l.At}
		if lines[i].Mark = marks(m.people, l.Person); l.Bot != 0 {
			lines[i].Mark = marks(m.bots, l.Bot)
		}
	}
	return lines
}

// bot returns the bot that a model names by a mark, or by a name that only one member has.
func (m *members) bot(who string) (id int64, known bool) {
	who = strings.Trim(strings.TrimSpace(who), "[]")
	if id, known = m.bots[strings.ToLower(who)]; known {
		return id, true
	}
	for mark, have := range m.bots {
		if m.names[mark] != who {
			continue
		}
		if known {
			return 0, false // several bots have this name
		}
		id, known = have, true
	}
	return id, known
}

// about returns the members that a memory is about: those that the model lists by marks, or else
// all whose names are in the content.
func (m *members) about(said []string, content string) (bots, people []int64) {
	add := func(mark string) {
		if id, is := m.bots[mark]; is {
			bots = append(bots, id)
		}
		if id, is := m.people[mark]; is {
			people = append(people, id)
		}
	}
	for _, who := range said {
		add(strings.ToLower(strings.Trim(strings.TrimSpace(who), "[]")))
	}
	if len(bots)+len(people) > 0 {
		return bots, people
	}
	for mark, name := range m.names {
		if trace.NamesOf(name, "").In(content) {
			add(mark)
		}
	}
	return bots, people
}

// readMemories parses the memories in a model's answer: {"memories":[{"who","kind","content",
// "about","relevance"}]}, with any text around it. The answer derives from people's messages, and a
// memory is in every later prompt, so memories that the guard objects to are left out.
func readMemories(text string, in *members) ([]memory.New, error) {
	first, last := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
	if first < 0 || last < first {
		return nil, errors.New("it is no JSON object")
	}
	var doc struct {
		Memories []struct {
			Who       string          `json:"who"`
			Kind      string          `json:"kind"`
			Content   string          `json:"content"`
			About     json.RawMessage `json:"about"`
			Relevance float64         `json:"relevance"`
		} `json:"memories"`
	}
	if err := json.Unmarshal([]byte(text[first:last+1]), &doc); err != nil {
		return nil, fmt.Errorf("read memories: %w", err)
	}
	var found []memory.New
	for _, m := range doc.Memories {
		content := names.Line(names.Text(m.Content), 0)
		bot, known := in.bot(m.Who)
		valid := memory.Memory{Kind: m.Kind, Content: content, Relevance: m.Relevance}.Validate() == nil && len([]rune(content)) <= maxLearnedContent
		if !known || !valid || guard.Check(guard.Draft{Text: content, Scene: script.Scene{ForbidAdvice: true}}) != nil {
			continue
		}
		var marks []string
		_ = json.Unmarshal(m.About, &marks) // without a list, the content is searched for names
		bots, people := in.about(marks, content)
		found = append(found, memory.New{
			Bot: bot, Kind: m.Kind, Content: content, Relevance: m.Relevance, AboutBots: bots, AboutPeople: people,
		})
		if len(found) == maxFound {
			break
		}
	}
	return found, nil
}
