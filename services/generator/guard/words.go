package guard

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// phrases are patterns that need one of some words. Looking for words first is much cheaper.
type phrases struct {
	words   map[string]bool
	parts   []string // words with other characters, such as a.i.
	pattern func() *regexp.Regexp
}

// lexicon builds phrases from alternatives in lower case. Each alternative contains one of the
// words, a space in it matches any white space, and it matches whole words only. The pattern is
// compiled at its first use: compiling all takes longer than the start of most processes that have
// them.
func lexicon(words string, alternatives ...string) phrases {
	all := strings.Join(alternatives, "|")
	all = strings.ReplaceAll(strings.ReplaceAll(all, "'", "['’`´]"), " ", `\s+`)
	p := phrases{words: wordSet(words), pattern: sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?:^|[^\pL\pN])(?:` + all + `)(?:$|[^\pL\pN])`)
	})}
	for w := range p.words {
		if strings.ContainsFunc(w, func(r rune) bool { return !isWord(r) }) {
			p.parts = append(p.parts, w)
		}
	}
	return p
}

func (p phrases) in(d *Draft) bool {
	return (slices.ContainsFunc(d.words, func(w string) bool { return p.words[w] }) ||
		slices.ContainsFunc(p.parts, func(part string) bool { return strings.Contains(d.lower, part) })) && d.has(p.pattern(), d.lower)
}

// has reports whether a pattern matches a form of the text, and records the match.
func (d *Draft) has(pattern *regexp.Regexp, in string) bool {
	if !pattern.MatchString(in) { // faster than FindString without a match
		return false
	}
	d.found = pattern.FindString(in)
	return true
}

// assistants matches what assistants say and personas don't.
//
//nolint:gochecknoglobals // constant
var assistants = lexicon(`ai a.i language assistant openai chatgpt gpt-3 gpt-4 gpt-5 anthropic gpt can't cannot can unable able here here's sure help assist hope let
	ki kisprachmodell kimodell kiassistent sprachmodell künstliche kann hier modelo asistente ia inteligencia puedo aquí ayudar`,
	`as an? (?:(?:ai|a\.i\.|artificial intelligence|large) )?(?:language model|ai assistant|ai model|virtual assistant|assistant)`, `as an ai`,
	`i(?:'m| am) (?:just |only )?(?:an? )?(?:ai )?(?:language model|ai assistant|virtual assistant)`, `(?:openai|chatgpt|gpt-[345][a-z0-9.]*|anthropic)`,
	`i(?:'m sorry| am sorry|'m afraid)?,? ?(?:but )?i (?:can't|cannot|can not|am unable to|am not able to) (?:assist|help|comply|fulfil|fulfill|provide|generate|write)(?: .{0,40})?`,
	`(?:sure|certainly|of course|absolutely)[,!.]? (?:here(?:'s| is| are)|i can (?:write|help))`, `here(?:'s| is) (?:a|the|your|my|one) (?:possible )?(?:short )?(?:chat )?(?:message|reply|response|answer|draft)`,
	`how (?:can|may) i (?:help|assist) you(?: today)?`, `i hope this (?:helps|message)`, `let me know if you(?:'d| would) like (?:me to|any)`,
	`als (?:ein )?(?:ki|künstliche intelligenz)(?:-| )?(?:sprachmodell|modell|assistent)?`, `als (?:ein )?sprachmodell`,
	`(?:das|dabei|damit) kann ich (?:leider )?nicht (?:helfen|dienen|beantworten)`, `hier ist (?:die|eine|meine|deine) (?:nachricht|antwort)`, `wie kann ich (?:dir|ihnen|euch) helfen`,
	`como (?:un )?(?:modelo de lenguaje|asistente(?: virtual| de ia)?|ia|inteligencia artificial)`,
	`(?:lo siento, (?:pero )?)?no puedo (?:ayudar(?:te|le)?|asistir(?:te)?|cumplir)(?: con .{0,40})?`, `aquí (?:tienes|está) (?:el|un|una|la|tu) (?:mensaje|respuesta)`,
	`¿?en qué puedo ayudar(?:te|le|os)`,
)

func assistant(d *Draft) string {
	if assistants.in(d) {
		return "It sounds like an assistant's answer, and not like the persona."
	}
	return ""
}

func humanClaim(d *Draft) string {
	if humans.in(d) {
		return "It claims to come from a human: the persona is played by a bot and says so when asked."
	}
	return ""
}

// These patterns match the beginning of an address, also a disguised one. Each runs only on a text
// with the character it needs, which is much cheaper. A bare address needs a top-level domain in
// lower case: "Yes.Me too" lacks a space and is no address.
//
//nolint:gochecknoglobals // constant
var (
	schemes = regexp.MustCompile(`(?i)\b(?:https?|hxxps?|ftp|tg|mailto|javascript|data|magnet|bitcoin|ton):\s?(?://|\S*[@?=;,]|[a-z0-9]{20,})`)
	dotted  = []*regexp.Regexp{
		regexp.MustCompile(`(?i)\bwww\.[a-z0-9-]`),
		regexp.MustCompile(`(?i)\b(?:t|telegram)\.me\b|\b(?:bit\.ly|goo\.gl|wa\.me|discord\.gg)\b`),
		regexp.MustCompile(`(?:^|[^\pL\pN@.])[\pL\pN][\pL\pN-]*(?:\.[\pL\pN-]+)*\.(?:com|net|org|info|biz|io|xyz|ru|shop|site|online|app|dev|top|click|link|live|store|club|pro|finance|cash|vip|tk|cn|de|es|eu|uk|fr|it|nl|at|ch|mx|ar|tr|gg|me|tv|cc|co|ly)(?:$|[^\pL\pN-])`),
		regexp.MustCompile(`[\pL\pN]\.[\pL\pN-]{2,}/[\pL\pN]|[\pL\pN]\.(?:рф|укр|бел|срб|москва)(?:$|[^\pL\pN-])`),
		regexp.MustCompile(`[\pL\pN._%+-]+@[\pL\pN-]+\.[\pL]{2,}`),
		regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`),
	}
	bracketed = regexp.MustCompile(`(?i)[\pL\pN-]+\s*(?:\[|\()\s*(?:dot|punkt|punto|\.)\s*(?:\]|\))\s*[a-z]{2,}`)
	spelled   = regexp.MustCompile(`(?i)\b[a-z0-9-]+ (?:dot|punkt|punto) (?:com|net|org|io|de|es|ru|xyz|me)\b|\btinyurl\b`)
)

func link(d *Draft) string {
	matches := func(l *regexp.Regexp) bool { return d.has(l, d.Text) }
	if strings.Contains(d.lower, ":") && matches(schemes) || dotInWord(d.lower) && slices.ContainsFunc(dotted, matches) ||
		strings.ContainsAny(d.lower, "[(") && matches(bracketed) || maySpell(d.lower) && matches(spelled) {
		return "It has a link or an address, which is not allowed."
	}
	return ""
}

// dotInWord reports whether a text has a dot that doesn't end a sentence.
func dotInWord(s string) bool {
	for i := range len(s) {
		if s[i] != '.' {
			continue
		}
		if next, _ := utf8.DecodeRuneInString(s[i+1:]); next == '-' || unicode.IsLetter(next) || unicode.IsNumber(next) {
			return true
		}
	}
	return false
}

func maySpell(s string) bool {
	return strings.Contains(s, " dot ") || strings.Contains(s, " punkt ") || strings.Contains(s, " punto ") || strings.Contains(s, "tinyurl")
}

var mentions = regexp.MustCompile(`(?:^|[^\pL\pN_])(@\s?[A-Za-z][A-Za-z0-9_]{2,})`)

func mention(d *Draft) string {
	if !strings.Contains(d.Text, "@") {
		return ""
	}
	for _, m := range mentions.FindAllStringSubmatch(d.Text, -1) {
		ok := false
		for _, a := range d.Allowed {
			ok = ok || strings.EqualFold(a, m[1])
		}
		if !ok {
			d.found = m[1]
			return "It mentions " + m[1] + ", which is not allowed: leave mentions out."
		}
	}
	return ""
}
