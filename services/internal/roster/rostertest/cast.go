// Package rostertest generates casts for property tests.
package rostertest

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

// text generates texts that are hard for YAML, and some of the greatest length.
func text(low, high int) *rapid.Generator[string] {
	hard := []string{
		"null", "true", "no", "~", "12", "1e3", "0x1F", "1_000", ".inf", "- a", "a: b", "a #b", "# c", "%TAG", "@x", "`", "!x", "&a", "*a",
		"'", "\"", "\\", "{a}", "[b", "?", "? x", "|", ">", "<<", "---", "...", "a\nb", "a\n\n  b", "a\n\tb\n c", "é", "日本", "👍🏽", "\u2028", "\ufeff",
		"\u0085x", "12:30:45", "2001-01-01", "=", ",", ":", "a:", ":a", "-", "x\u00a0", "a\tb", "a  b",
	}
	return rapid.OneOf(rapid.SampledFrom(hard), rapid.StringN(1, min(high, 40), -1), rapid.Map(rapid.IntRange(1, high/2), func(n int) string { return strings.Repeat("a ", n) }), rapid.StringMatching(`[A-Za-z ,.'"-]{1,40}`),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom(hard), 1, 4), func(s []string) string { return strings.Join(s, " ") })).
		Filter(func(s string) bool {
			n := utf8.RuneCountInString(strings.TrimSpace(s))
			return n >= low && n <= high && utf8.ValidString(s) &&
				!strings.ContainsFunc(s, func(r rune) bool {
					return r != '\n' && r != '\t' && (r < 32 || r >= 127 && r < 160) || r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' || r >= 0xE0000 && r < 0xE0100
				})
		})
}

func unique(g *rapid.Generator[string], maxLen int) *rapid.Generator[[]string] {
	return rapid.SliceOfNDistinct(g, 0, maxLen, strings.TrimSpace)
}

func fraction() *rapid.Generator[float32] { return rapid.Float32Range(0, 1) }

func bot(name string) *rapid.Generator[roster.Bot] {
	return rapid.Custom(func(t *rapid.T) roster.Bot {
		b := roster.Bot{
			Name: name, Token: secret.Ref{Env: "TOKEN_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))},
			Username: rapid.SampledFrom([]string{"", strings.ReplaceAll(name, "-", "_") + "_bot"}).Draw(t, "username"),
			Enabled:  rapid.Bool().Draw(t, "enabled"), TypingWPM: rapid.Float32Range(5, 400).Draw(t, "wpm"),
			Tempo:       rapid.SampledFrom([]float32{0.1, 1, 1.3, 10}).Draw(t, "tempo"),
			ActiveHours: rapid.SampledFrom([][]string{nil, {"08:00-23:30"}, {"22:00-02:00", "03:00-04:00"}}).Draw(t, "hours"),
			HourlyMin:   rapid.IntRange(0, 10).Draw(t, "min"), HourlyMax: rapid.IntRange(10, 1200).Draw(t, "max"),
			Persona: roster.Persona{
				DisplayName: text(1, 64).Draw(t, "display"), Summary: text(1, 4000).Draw(t, "summary"), Tone: text(1, 64).Draw(t, "tone"),
				Hint: text(0, 1000).Draw(t, "hint"), Phrases: unique(text(1, 200), 3).Draw(t, "phrases"),
				Interests: unique(text(1, 64), 3).Draw(t, "interests"), Empathy: fraction().Draw(t, "empathy"), Energy: fraction().Draw(t, "energy"),
			},
		}
		b.Persona.Voice = voice.Voice{
			Length: rapid.SampledFrom([]string{"", voice.Terse}).Draw(t, "length"), Stops: rapid.SampledFrom([]string{"", voice.Never}).Draw(t, "stops"),
			Openers: unique(text(1, 40), 3).Draw(t, "openers"),
		}
		for _, id := range rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9_-]{20,200}`), 0, 3, rapid.ID).Draw(t, "stickers") {
			b.Persona.Stickers = append(b.Persona.Stickers, roster.Sticker{FileID: id, Mood: rapid.SampledFrom([]string{"love", "sadness"}).Draw(t, "mood")})
		}
		for _, topic := range unique(text(1, 64), 3).Draw(t, "stances") {
			b.Stances = append(b.Stances, roster.Stance{Topic: topic, Stance: text(1, 1000).Draw(t, "stance"), Confidence: fraction().Draw(t, "confidence")})
		}
		for _, item := range unique(text(1, 64), 3).Draw(t, "holdings") {
			b.Holdings = append(b.Holdings, roster.Holding{Item: item, Quantity: rapid.Float64Range(0, 1e12).Draw(t, "quantity"), Note: text(0, 1000).Draw(t, "note")})
		}
		for _, content := range unique(text(1, 1000), 3).Draw(t, "memories") {
			kind := rapid.SampledFrom([]string{"fact", "event", "relationship", "preference"}).Draw(t, "kind")
			b.Memories = append(b.Memories, roster.Memory{Kind: kind, Content: content, Relevance: fraction().Draw(t, "relevance")})
		}
		return b
	})
}

// Any generates valid, normalised casts with all kinds of texts. The bots of a cast have tokens of
// different accounts.
func Any() *rapid.Generator[roster.Cast] {
	return rapid.Custom(func(t *rapid.T) roster.Cast {
		var c roster.Cast
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9_-]{0,8}`), 1, 4,
			func(s string) string { return strings.ReplaceAll(s, "-", "_") }).Draw(t, "names")
		for _, name := range names {
			c.Bots = append(c.Bots, bot(name).Draw(t, "bot"))
		}
		for i := range c.Bots {
			c.Bots[i].AccountID = int64(100_000 + i)
			c.Bots[i].Secret = secret.New(fmt.Sprintf("%d:%s", c.Bots[i].AccountID, rapid.SampledFrom([]string{"one", "two"}).Draw(t, "token")))
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "chats") {
			chat := roster.Chat{
				Name: fmt.Sprintf("chat-%d", i), Title: text(0, 255).Draw(t, "title"), Purpose: text(0, 1000).Draw(t, "purpose"),
				TelegramID: int64(-1-i) - rapid.SampledFrom([]int64{0, 1_000_000_000_000, 5_000_000}).Draw(t, "id"),
				Disclaimer: text(0, 500).Draw(t, "disclaimer"), ForbidAdvice: rapid.Bool().Draw(t, "advice"), Enabled: rapid.Bool().Draw(t, "enabled"),
				TimeZone: rapid.SampledFrom([]string{"UTC", "Europe/Paris"}).Draw(t, "zone"), Language: rapid.SampledFrom([]string{"en", "no", "pt-BR"}).Draw(t, "language"),
				Topics:        unique(text(1, 64), 4).Draw(t, "topics"),
				MeanGap:       time.Duration(rapid.IntRange(1000, 604_800_000).Draw(t, "gap")) * time.Millisecond,
				RetentionDays: rapid.IntRange(1, 3650).Draw(t, "retention"),
			}
			for _, name := range slices.Sorted(slices.Values(names)) {
				if rapid.Bool().Draw(t, "plays") {
					chat.Cast = append(chat.Cast, name)
				}
			}
			c.Chats = append(c.Chats, chat)
		}
		c.Normalise()
		return c
	})
}
