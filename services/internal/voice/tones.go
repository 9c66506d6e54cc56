package voice

import (
	"strings"
	"unicode"
)

// tones lists words for tones, in English and German, by the character they belong to.
//
//nolint:gochecknoglobals // a constant table
var tones = map[string][]string{
	"blunt": words(`gruff direct grumpy stern sceptical skeptical contrarian provocative tough stubborn impatient critical brash bold
		pessimistic direkt schroff mürrisch streng skeptisch`),
	"dry": words(`ironic sardonic wry deadpan sarcastic laconic cynical cool understated terse trocken ironisch`),
	"lively": words(`enthusiastic eager energetic excited cheerful young bubbly upbeat passionate curious bright optimistic romantic lebhaft
		munter fröhlich begeistert neugierig`),
	"playful": words(`funny witty humorous cheeky mischievous teasing theatrical dramatic whimsical sly roguish flamboyant charming verspielt
		witzig frech dramatisch`),
	"thoughtful": words(`scholarly academic analytical professional precise measured careful cautious serious philosophical learned sober formal
		neutral experienced wise pensive nachdenklich sachlich ernst weise gelehrt`),
	"warm": words(`kind gentle friendly caring soft patient motherly fatherly welcoming empathetic supportive calm sincere tender
		encouraging polite herzlich freundlich sanft lieb gütig`),
}

func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
}
