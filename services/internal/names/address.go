package names

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Fold returns a text as it looks: without invisible characters, and with plain letters, dots and
// slashes instead of full-width, mathematical and other look-alikes. It is for checks, not for
// display.
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

// address matches the parts of an address in folded lower case: a scheme, www, a path, a dot within
// a word, or the word for it.
var address = regexp.MustCompile(`@|://|\b(?:https?|hxxps?|tg|mailto|javascript)\b\s?:|\bwww\b|\bhttps?\b` +
	`|[\pL\pN_-]\.[\pL\pN][\pL\pN-]|[\pL\pN]\s?\.\s?(?:com|net|org|me|ru|io|xyz|top|shop|info|biz|app|link|site|online|click|vip)\b` +
	`|[\[({]\s*(?:dot|punkt|punto|point|\.)\s*[\])}]` +
	`|[\pL\pN](?:\s|_|-)(?:dot|punkt|punto|point|точка)(?:\s|_|-)[\pL\pN]{2,}` +
	`|\bt\s?\.?\s?me\s?/|[\pL\pN]/[\pL\pN_]{3,}|\d{1,3}(?:\.\d{1,3}){3}`)

// HasAddress reports whether a name contains a web address or an account's mention, even if
// disguised. Some harmless names match, too.
func HasAddress(name string) bool {
	s := strings.ToLower(Fold(name))
	return mayHave(s) && address.MatchString(s)
}

// mayHave reports whether a text can contain an address; it is much cheaper than the pattern.
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

// Sayable returns a name that a bot may say and a model may read: cleaned, or "" if nothing of it
// is visible or it contains an address.
func Sayable(name string) string {
	if name = Name(name); HasAddress(name) {
		return ""
	}
	return name
}

// Username returns a Telegram username without its @, or "" if it has other characters than
// usernames can have.
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
