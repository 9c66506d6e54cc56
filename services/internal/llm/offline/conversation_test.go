package offline_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// cast is a group as an example file might describe it.
type cast struct {
	purpose    string
	disclaimer string
	topics     []string
	members    []member
}

type member struct {
	persona  script.Persona
	stances  []script.Stance
	holdings []string
}

func bookClub() cast {
	return cast{
		purpose: "A book club that reads old novels together. Every member is a bot.",
		topics:  []string{"Frankenstein", "Pride and Prejudice", "endings", "translation", "Moby-Dick", "characters"},
		members: []member{
			{
				persona: script.Persona{
					Name: "Anna Lindqvist", Summary: "A retired librarian who loves slow novels.", Tone: "warm",
					Phrases: []string{"Let's not rush it."}, Interests: []string{"Gothic novels", "marginal notes"},
				},
				stances: []script.Stance{{Topic: "endings", Text: "An open ending trusts the reader.", Confidence: 0.8}},
			},
			{
				persona: script.Persona{
					Name: "Viktor", Summary: "A critic who has seen every trick.", Tone: "dry",
					Phrases: []string{"As every reviewer says"}, Interests: []string{"prosody"},
				},
				stances: []script.Stance{{Topic: "translation", Text: "A translation is a performance", Confidence: 0.9}},
			},
			{
				persona: script.Persona{
					Name: "Mia", Summary: "A student, reads everything on the tram.", Tone: "lively",
					Phrases: []string{"I'm not crying"}, Interests: []string{"monsters", "love stories"},
				},
			},
			{
				persona: script.Persona{
					Name: "Professor Okafor", Summary: "Teaches literature.", Tone: "thoughtful",
					Interests: []string{"narrators", "the history of printing"},
				},
				holdings: []string{"1 x annotated Frankenstein (1818 text)"},
			},
		},
	}
}

func roleplay() cast {
	return cast{
		purpose: "A role-playing table: a fantasy party and its game master.",
		topics:  []string{"the tavern", "the quest", "the dungeon", "the dice", "magic"},
		members: []member{
			{persona: script.Persona{
				Name: "Morwen", Summary: "The game master of the table, tells the story and plays everyone the party meets.",
				Tone: "theatrical", Phrases: []string{"Roll for it"},
			}},
			{persona: script.Persona{
				Name: "Brom Ironfoot", Summary: "A dwarf fighter with a short temper.", Tone: "gruff",
				Phrases: []string{"By my beard"}, Interests: []string{"ale", "good steel"},
			}, holdings: []string{"1 x war axe (notched)", "12 x copper"}},
			{persona: script.Persona{
				Name: "Selene", Summary: "An elven mage, curious about everything.", Tone: "curious", Interests: []string{"old runes", "stars"},
			}, holdings: []string{"3 x scroll"}},
			{persona: script.Persona{Name: "Pip", Summary: "A halfling thief with quick fingers.", Tone: "playful", Interests: []string{"locks"}}},
		},
	}
}

func market() cast {
	return cast{
		purpose:    "A simulated talk about markets, for practice. No advice.",
		disclaimer: "Simulation, not advice.",
		topics:     []string{"the index", "currency", "crypto", "interest rates"},
		members: []member{
			{
				persona: script.Persona{Name: "Leyla", Summary: "A careful economist.", Tone: "professional", Interests: []string{"inflation", "central banks"}},
				stances: []script.Stance{{Topic: "interest rates", Text: "Rates stay high for longer than people think.", Confidence: 0.7}},
			},
			{
				persona:  script.Persona{Name: "Tom", Summary: "A restless chart reader.", Tone: "energetic", Interests: []string{"charts"}},
				holdings: []string{"10 x index units (simulated)"},
			},
			{
				persona: script.Persona{Name: "Greta", Summary: "A sceptic who has seen three crashes.", Tone: "sceptical"},
				stances: []script.Stance{{Topic: "crypto", Text: "Most of crypto is a bubble with better graphics.", Confidence: 0.9}},
			},
		},
	}
}

func gardeners() cast {
	return cast{
		purpose: "Neighbours of a shared garden.",
		topics:  []string{"tomatoes", "the shared tool shed", "compost"},
		members: []member{
			{persona: script.Persona{Name: "Ines", Summary: "Grows everything from seed.", Tone: "cheerful", Interests: []string{"heirloom seeds"}}},
			{
				persona: script.Persona{Name: "Harald", Summary: "Measures the rain.", Tone: "grumpy", Interests: []string{"rain gauges"}},
				stances: []script.Stance{{Topic: "compost", Text: "Compost needs order, not poetry.", Confidence: 0.8}},
			},
			{persona: script.Persona{Name: "Oyelaran", Summary: "Cooks what grows.", Tone: "witty", Interests: []string{"pickling"}}},
		},
	}
}

func pirates() cast {
	return cast{
		purpose: "The crew of the Merry Widow plans its next voyage. Every member is a bot.",
		topics:  []string{"the ship", "treasure maps", "the Spanish fleet", "rum"},
		members: []member{
			{
				persona: script.Persona{
					Name: "Captain Teach", Summary: "Commands the sloop Merry Widow since the mutiny. He fears nothing but dry land.", Tone: "blunt",
					Phrases: []string{"Hoist the sails"}, Interests: []string{"the open sea", "black flags", "cannons"}, Energy: 0.8,
				},
				stances:  []script.Stance{{Topic: "rum", Text: "Rum is a ration and no reward.", Confidence: 0.8}},
				holdings: []string{"1 x spyglass (cracked)", "2 x cutlass"},
			},
			{
				persona: script.Persona{
					Name: "Bonny", Summary: "A navigator who steals charts for a hobby.", Tone: "playful",
					Phrases: []string{"By the seven stars"}, Interests: []string{"stars", "sea charts", "reefs"}, Energy: 0.6,
				},
				stances:  []script.Stance{{Topic: "treasure maps", Text: "A map with a cross on it is a lie.", Confidence: 0.9}},
				holdings: []string{"1 x brass sextant"},
			},
			{
				persona: script.Persona{
					Name: "Old Silver", Summary: "The cook of the ship, who sailed with everybody and buried most of them.", Tone: "warm",
					Interests: []string{"parrots", "salted beef", "shanties"}, Energy: 0.3,
				},
				stances: []script.Stance{{Topic: "the ship", Text: "A ship is as good as her galley.", Confidence: 0.6}},
			},
		},
	}
}

// spoken is a line and the scene that it was written from.
type spoken struct {
	script.Line
	scene script.Scene
}

// talk lets a cast talk: who is next, what about and whether in reply to
// something follows from the seed. history is how many lines a scene shows.
func talk(tb testing.TB, c cast, seed uint64, n, history int) []spoken {
	tb.Helper()
	p := provider(tb)
	rng := rand.New(rand.NewPCG(seed, 1))
	at := time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC)
	var said []spoken
	var lines []script.Line
	last, topic := -1, c.topics[0]
	for len(said) < n {
		i := rng.IntN(len(c.members))
		if i == last {
			continue
		}
		last = i
		m := c.members[i]
		at = at.Add(time.Duration(4+rng.IntN(30)) * time.Second)
		s := script.Scene{
			Persona: m.persona, Stances: m.stances, Holdings: m.holdings,
			History: lines[max(0, len(lines)-history):], Length: length(rng), Language: "en",
			Purpose: c.purpose, Disclaimer: c.disclaimer, Topics: c.topics, Seed: rng.Uint64(),
		}
		if len(lines) > 0 && rng.Float64() < 0.6 {
			target := lines[max(0, len(lines)-1-rng.IntN(3))]
			if target.Author != m.persona.Name {
				s.Answering = &target
			}
		}
		if s.Answering == nil && rng.Float64() < 0.5 {
			topic = c.topics[rng.IntN(len(c.topics))]
		}
		s.Topic = topic
		line := script.Line{Author: m.persona.Name, Text: p.Compose(s, 0), FromBot: true, At: at}
		said = append(said, spoken{line, s})
		lines = append(lines, line)
	}
	return said
}

func length(rng *rand.Rand) script.Length {
	switch x := rng.Float64(); {
	case x < 0.55:
		return script.Short
	case x < 0.9:
		return script.Medium
	}
	return script.Long
}

// shared is one provider for all tests: it is safe for concurrent use, and
// reading the files takes longer than any text.
var shared = sync.OnceValues(offline.New)

func provider(tb testing.TB) *offline.Provider {
	tb.Helper()
	p, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

var update = flag.Bool("update", false, "write testdata/*.txt anew")

// TestTranscripts keeps a talk of each cast as a file, to be read whenever the
// words change: go test -run Transcripts -update.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	for name, c := range casts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			for _, l := range talk(t, c, 3, 40, 200) {
				fmt.Fprintf(&b, "%s: %s\n", l.Author, l.Text)
				if a := l.scene.Answering; a != nil {
					fmt.Fprintf(&b, "    (to %s: %.60s)\n", a.Author, a.Text)
				}
			}
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("the talk has changed; read it, and run with -update (-file +talk):\n%s", diff)
			}
		})
	}
}
