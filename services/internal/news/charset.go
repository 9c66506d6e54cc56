package news

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// declaration matches the XML declaration.
func declaration() *regexp.Regexp {
	return regexp.MustCompile(`^\s*<\?xml\s[^>]*?\?>`)
}

func declared() *regexp.Regexp {
	return regexp.MustCompile(`encoding\s*=\s*["']([^"']+)["']`)
}

// decode returns a feed's text in UTF-8, without the declaration, which may name another encoding.
// A byte order mark decides the encoding; then valid UTF-8 is UTF-8, whatever the headers say,
// because text in other encodings is rarely valid UTF-8; then the charset of the HTTP header
// counts, then that of the XML declaration.
func decode(body []byte, contentType string) string {
	text, marked := byMark(body)
	if !marked {
		text = bySaying(body, contentType)
	}
	text = strings.TrimSpace(strings.TrimPrefix(text, "\uFEFF"))
	return declaration().ReplaceAllLiteralString(text, "")
}

// byMark decodes a text with a byte order mark, or UTF-16 that is recognised by its first
// character, <.
func byMark(body []byte) (string, bool) {
	for _, c := range []struct {
		begins string
		order  unicode.Endianness
	}{
		{"\xFE\xFF", unicode.BigEndian}, {"\xFF\xFE", unicode.LittleEndian}, {"\x00<\x00", unicode.BigEndian}, {"<\x00", unicode.LittleEndian},
	} {
		if bytes.HasPrefix(body, []byte(c.begins)) {
			return convert(body, unicode.UTF16(c.order, unicode.IgnoreBOM))
		}
	}
	if bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")) {
		return strings.ToValidUTF8(string(body), string(utf8.RuneError)), true
	}
	return "", false
}

// escape starts a change of the character set in encodings of seven bits, whose bytes are valid
// UTF-8, too.
const escape = 0x1b

// bySaying decodes a text by its declared encoding.
func bySaying(body []byte, contentType string) string {
	plain := utf8.Valid(body)
	escaped := bytes.IndexByte(body, escape) >= 0
	if plain && !escaped {
		return string(body)
	}
	for _, label := range []string{labelOf(contentType), labelIn(body)} {
		// Bytes that are not valid UTF-8 are not ASCII either.
		e, name := lookUp(label)
		if e == nil || strings.HasPrefix(name, "utf-") || label == "us-ascii" || label == "ascii" || plain && !strings.HasPrefix(name, "iso-2022") {
			continue
		}
		if text, ok := convert(body, e); ok {
			return text
		}
	}
	if plain || mainlyUTF8(body) {
		return strings.ToValidUTF8(string(body), string(utf8.RuneError))
	}
	text, _ := convert(body, charmap.Windows1252) // every byte is valid in it
	return text
}

func convert(body []byte, e encoding.Encoding) (string, bool) {
	text, err := e.NewDecoder().Bytes(body)
	return string(text), err == nil
}

// lookUp returns the encoding of a label that browsers know; nil for others.
func lookUp(label string) (encoding.Encoding, string) {
	e, err := htmlindex.Get(label)
	if err != nil {
		return nil, ""
	}
	name, err := htmlindex.Name(e)
	if err != nil || name == "replacement" {
		return nil, ""
	}
	return e, name
}

func labelOf(contentType string) string {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(parameters["charset"]))
}

func labelIn(body []byte) string {
	found := declared().FindSubmatch(declaration().Find(body))
	if found == nil {
		return ""
	}
	return strings.ToLower(string(found[1]))
}

// mainlyUTF8 reports whether a text is UTF-8 with some broken characters. In another encoding
// hardly any character would be valid.
func mainlyUTF8(body []byte) bool {
	whole, broken := 0, 0
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		switch {
		case r == utf8.RuneError && size == 1:
			broken++
		case size > 1:
			whole++
		}
		body = body[size:]
	}
	return whole > broken
}
