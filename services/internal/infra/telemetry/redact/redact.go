// Package redact takes what looks like a credential out of a text. It is the
// last line of defence: nothing should put a credential there to begin with.
package redact

import "regexp"

// Redactor replaces the credentials in texts. Make one with New. It is safe for
// concurrent use.
type Redactor struct {
	token    *regexp.Regexp
	password *regexp.Regexp
}

// New makes a redactor for bot tokens and for passwords in URLs.
func New() Redactor {
	return Redactor{
		// A bot token is the bot's id, which everyone may know, a colon and 35
		// characters. In an escaped URL the colon is %3A.
		token: regexp.MustCompile(`(\d{6,}(?::|%3[Aa]))[A-Za-z0-9_-]{30,}`),
		// A quotation mark ends the URL: what follows is another value of a log line.
		password: regexp.MustCompile(`(://[^/\s:@"'\\]*:)[^/\s@"'\\]+@`),
	}
}

// String is a text without its credentials.
func (r Redactor) String(text string) string {
	return r.password.ReplaceAllString(r.token.ReplaceAllString(text, "${1}***"), "${1}***@")
}

// Bytes is the same for bytes, which are not changed. Without a credential in
// them they are returned as they are.
func (r Redactor) Bytes(text []byte) []byte {
	if r.token.Match(text) {
		text = r.token.ReplaceAll(text, []byte("${1}***"))
	}
	if r.password.Match(text) {
		text = r.password.ReplaceAll(text, []byte("${1}***@"))
	}
	return text
}
