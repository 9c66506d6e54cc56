package names

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Fold gives a text as it reads: without what can't be seen, and with the plain
// letters, dots and slashes that full-width, mathematical and other look-alikes of
// them stand for. It is for looking at and not for showing.
func Fold(s string) string {
	if plain(s) {
		return s
	}
	s = norm.NFKC.String(strings.Map(func(r rune) rune {
		if Invisible(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
	return strings.Map(func(r rune) rune {
		switch r {
		case '。', '·', '•', '․', '‧', '∙', '⋅', '۔', '܁', '܂', '⸳', 'ꓸ':
			return '.'
		case '⁄', '∕', '⧸', '╱':
			return '/'
		case '∶', 'ː', '꞉':
			return ':'
		}
		return r
	}, s)
}

// What an address has, in folded lower case: a scheme, www, a path, a dot within a
// word, or the word for it.
var address = regexp.MustCompile(`@|://|\b(?:https?|hxxps?|tg|mailto|javascript)\b\s?:|\bwww\b|\bhttps?\b` +
	`|[\pL\pN_-]\.[\pL\pN][\pL\pN-]|[\pL\pN]\s?\.\s?(?:com|net|org|me|ru|io|xyz|top|shop|info|biz|app|link|site|online|click|vip)\b` +
	`|[\[({]\s*(?:dot|punkt|punto|point|\.)\s*[\])}]` +
	`|[\pL\pN](?:\s|_|-)(?:dot|punkt|punto|point|точка)(?:\s|_|-)[\pL\pN]{2,}` +
	`|\bt\s?\.?\s?me\s?/|[\pL\pN]/[\pL\pN_]{3,}|\d{1,3}(?:\.\d{1,3}){3}`)

// HasAddress tells whether a name has a web address or a mention of an account in
// it, however it is disguised. It takes some harmless names for one, too.
func HasAddress(name string) bool {
	s := strings.ToLower(Fold(name))
	return mayHave(s) && address.MatchString(s)
}

// mayHave tells whether a text has anything that an address has, which is much
// cheaper.
func mayHave(s string) bool {
	if strings.ContainsAny(s, ".@/:[({") {
		return true
	}
	for _, part := range []string{"www", "http", "dot", "punkt", "punto", "point", "точка"} {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// Sayable gives a name as a bot may say it and a model may read it: cleaned, or ""
// where nothing of it can be seen or it has an address.
func Sayable(name string) string {
	if name = Name(name); HasAddress(name) {
		return ""
	}
	return name
}

// Username gives a Telegram username without its @, or "" for what can't be one:
// those have only these characters.
func Username(s string) string {
	const maxLength = 64
	s = strings.TrimPrefix(s, "@")
	bad := strings.ContainsFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !(r == '_' || unicode.IsDigit(r) || unicode.IsLetter(r))
	})
	if bad || len(s) > maxLength {
		return ""
	}
	return s
}
