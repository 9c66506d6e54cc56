package markup

import (
	"fmt"
	"strings"
)

const reservedV2 = "_*[]()~`>#+-=|{}.!"

// opened is markup that has begun and not ended.
type opened struct {
	name  string // as Telegram's errors call it
	kind  string // as entities call it
	mark  string // what ends it
	at    int    // byte offset of its beginning
	start int    // UTF-16 offset in the plain text
	lang  string
}

type parserV2 struct {
	in   string
	at   int
	out  writer
	open []opened
}

func parseMarkdownV2(text string) (Text, error) {
	p := &parserV2{in: text}
	for p.at < len(p.in) {
		if err := p.step(); err != nil {
			return Text{}, err
		}
	}
	p.endQuote()
	if n := len(p.open); n > 0 {
		last := p.open[n-1]
		return Text{}, &SyntaxError{fmt.Sprintf("Can't find end of %s entity at byte offset %d", last.name, last.at)}
	}
	return p.out.result(), nil
}

func (p *parserV2) step() error {
	rest := p.in[p.at:]
	c := rest[0]
	reserved := reservedV2
	if p.inCode() {
		reserved = "`"
	}
	switch {
	case c == '\\' && len(rest) > 1 && rest[1] > 0 && rest[1] <= 126:
		p.at++
		p.at += p.out.copyRune(p.in[p.at:])
		return nil
	case c == '\n' && !p.inCode() && !strings.HasPrefix(rest[1:], ">"):
		p.endQuote()
		p.at += p.out.copyRune(rest)
		return nil
	case strings.IndexByte(reserved, c) < 0:
		p.at += p.out.copyRune(rest)
		return nil
	case p.ends(rest):
		return p.end()
	default:
		return p.begin(rest)
	}
}

func (p *parserV2) inCode() bool {
	n := len(p.open)
	return n > 0 && (p.open[n-1].kind == "code" || p.open[n-1].kind == "pre")
}

func (p *parserV2) ends(rest string) bool {
	n := len(p.open)
	if n == 0 {
		return false
	}
	mark := p.open[n-1].mark
	if mark == "_" && strings.HasPrefix(rest, "__") && !strings.HasPrefix(rest, "___") {
		return false // the beginning or end of an underline inside of an italic
	}
	return mark != "" && strings.HasPrefix(rest, mark)
}

func (p *parserV2) begin(rest string) error {
	lineStart := p.at == 0 || p.in[p.at-1] == '\n'
	switch {
	case p.inCode():
		p.at += p.out.copyRune(rest)
	case strings.HasPrefix(rest, "__"):
		p.push("Underline", "underline", "__", 2)
	case rest[0] == '_':
		p.push("Italic", "italic", "_", 1)
	case rest[0] == '*':
		p.push("Bold", "bold", "*", 1)
	case rest[0] == '~':
		p.push("Strikethrough", "strikethrough", "~", 1)
	case strings.HasPrefix(rest, "||"):
		p.push("Spoiler", "spoiler", "||", 2)
	case strings.HasPrefix(rest, "```"):
		p.pre()
	case rest[0] == '`':
		p.push("Code", "code", "`", 1)
	case rest[0] == '[':
		p.push("TextUrl", "text_link", "]", 1)
	case strings.HasPrefix(rest, "!["):
		p.push("CustomEmoji", "custom_emoji", "]", 2)
	case rest[0] == '>' && lineStart:
		p.quote()
	default:
		return &SyntaxError{fmt.Sprintf(`Character '%c' is reserved and must be escaped with the preceding '\'`, rest[0])}
	}
	return nil
}

func (p *parserV2) push(name, kind, mark string, size int) {
	p.open = append(p.open, opened{name: name, kind: kind, mark: mark, at: p.at, start: p.out.units})
	p.at += size
}

// pre begins a code block; a first word that ends its line is the language.
func (p *parserV2) pre() {
	p.push("Pre", "pre", "```", 3)
	rest := p.in[p.at:]
	if n := strings.IndexAny(rest, " \t\r\n`"); n >= 0 && rest[n] != '`' {
		last := &p.open[len(p.open)-1]
		last.lang = rest[:n]
		if n > 0 {
			last.name = "PreCode"
		}
		p.at += n
		if rest[n] == '\n' {
			p.at++
		}
	}
}

func (p *parserV2) quote() {
	if n := len(p.open); n == 0 || p.open[0].kind != "blockquote" {
		p.push("BlockQuote", "blockquote", "", 0)
	}
	p.at++
}

// endQuote ends a quotation if it is the only thing open.
func (p *parserV2) endQuote() {
	if len(p.open) == 1 && p.open[0].kind == "blockquote" {
		p.out.add(Entity{Type: "blockquote"}, p.open[0].start)
		p.open = nil
	}
}

func (p *parserV2) end() error {
	last := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	p.at += len(last.mark)
	entity := Entity{Type: last.kind, Language: last.lang}
	if last.mark != "]" {
		p.out.add(entity, last.start)
		return nil
	}
	url, err := p.url()
	if err != nil {
		return err
	}
	switch {
	case last.kind == "custom_emoji":
		id, ok := strings.CutPrefix(url, "tg://emoji?id=")
		if !ok {
			return &SyntaxError{"Custom emoji entity must contain a tg://emoji URL"}
		}
		entity.CustomEmojiID = id
	case url == "":
		return nil
	default:
		entity.URL = url
	}
	p.out.add(entity, last.start)
	return nil
}

// url reads an address in parentheses if one follows.
func (p *parserV2) url() (string, error) {
	if !strings.HasPrefix(p.in[p.at:], "(") {
		return "", nil
	}
	var url strings.Builder
	for i := p.at + 1; i < len(p.in); i++ {
		switch c := p.in[i]; {
		case c == ')':
			p.at = i + 1
			return url.String(), nil
		case c == '\\' && i+1 < len(p.in):
			i++
			url.WriteByte(p.in[i])
		default:
			url.WriteByte(c)
		}
	}
	return "", &SyntaxError{fmt.Sprintf("Can't find end of a URL at byte offset %d", p.at+1)}
}
