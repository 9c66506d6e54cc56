// Package redact masks what looks like a credential in a text. It is the last line of
// defence: texts should contain no credentials in the first place.
package redact

import "regexp"

// Redactor masks credentials in texts. New returns one. It is safe for concurrent use.
type Redactor struct {
	token    *regexp.Regexp
	password *regexp.Regexp
}

// New returns a redactor for bot tokens and for passwords in URLs.
func New() Redactor {
	return Redactor{
		// A bot token is the bot's id, which is public, a colon and 35 characters. In an
		// escaped URL the colon is %3A.
		token: regexp.MustCompile(`(\d{6,}(?::|%3[Aa]))[A-Za-z0-9_-]{30,}`),
		// A quotation mark ends the URL: another value of a log line follows.
		password: regexp.MustCompile(`(://[^/\s:@"'\\]*:)[^/\s@"'\\]+@`),
	}
}

// String returns a text with its credentials masked.
func (r Redactor) String(text string) string {
	return r.password.ReplaceAllString(r.token.ReplaceAllString(text, "${1}***"), "${1}***@")
}

// Bytes returns a text with its credentials masked. It doesn't change its argument, and
// returns it if it has no credentials.
func (r Redactor) Bytes(text []byte) []byte {
	if r.token.Match(text) {
		text = r.token.ReplaceAll(text, []byte("${1}***"))
	}
	if r.password.Match(text) {
		text = r.password.ReplaceAll(text, []byte("${1}***@"))
	}
	return text
}
