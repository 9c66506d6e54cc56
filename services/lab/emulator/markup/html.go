package markup

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

type tag struct {
	name   string
	entity Entity
	start  int
}

// attribute matches one attribute of a start tag.
var attribute = regexp.MustCompile(`([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?`)

// parseHTML reads the HTML mode: the few tags Telegram knows, nested freely.
func parseHTML(text string) (Text, error) {
	var (
		out  writer
		open []tag
	)
	for at := 0; at < len(text); {
		rest := text[at:]
		switch {
		case rest[0] == '&':
			at += reference(&out, rest)
		case rest[0] != '<':
			at += out.copyRune(rest)
		case strings.HasPrefix(rest, "</"):
			n, err := endTag(&out, &open, rest, at)
			if err != nil {
				return Text{}, err
			}
			at += n
		default:
			n := strings.IndexByte(rest, '>')
			if n < 0 {
				return Text{}, &SyntaxError{fmt.Sprintf("Unclosed start tag at byte offset %d", at)}
			}
			begun, err := startTag(rest[1:n], at)
			if err != nil {
				return Text{}, err
			}
			begun.start = out.units
			open = append(open, begun)
			at += n + 1
		}
	}
	if n := len(open); n > 0 {
		return Text{}, &SyntaxError{fmt.Sprintf("Can't find end tag corresponding to start tag %q", open[n-1].name)}
	}
	return out.result(), nil
}

// reference copies a character reference, or the bare ampersand.
func reference(out *writer, rest string) int {
	end := strings.IndexByte(rest[:min(len(rest), 12)], ';')
	if end < 0 {
		return out.copyRune(rest)
	}
	name := rest[1:end]
	known := strings.HasPrefix(name, "#") || name == "lt" || name == "gt" || name == "amp" || name == "quot"
	plain := html.UnescapeString(rest[:end+1])
	if !known || plain == rest[:end+1] {
		return out.copyRune(rest)
	}
	out.copyAll(plain)
	return end + 1
}

func startTag(inside string, at int) (tag, error) {
	name, rest, _ := strings.Cut(inside, " ")
	name = strings.ToLower(strings.TrimSpace(name))
	attributes := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(rest, -1) {
		attributes[strings.ToLower(m[1])] = html.UnescapeString(m[2] + m[3] + m[4])
	}
	t := tag{name: name}
	switch name {
	case "b", "strong":
		t.entity.Type = "bold"
	case "i", "em":
		t.entity.Type = "italic"
	case "u", "ins":
		t.entity.Type = "underline"
	case "s", "strike", "del":
		t.entity.Type = "strikethrough"
	case "tg-spoiler":
		t.entity.Type = "spoiler"
	case "span":
		if attributes["class"] != "tg-spoiler" {
			return t, &SyntaxError{fmt.Sprintf(`Tag "span" must have class "tg-spoiler" at byte offset %d`, at)}
		}
		t.entity.Type = "spoiler"
	case "a":
		t.entity = Entity{Type: "text_link", URL: attributes["href"]}
	case "code":
		t.entity.Type = "code"
		t.entity.Language = strings.TrimPrefix(attributes["class"], "language-")
	case "pre":
		t.entity.Type = "pre"
	case "blockquote":
		t.entity.Type = "blockquote"
		if _, ok := attributes["expandable"]; ok {
			t.entity.Type = "expandable_blockquote"
		}
	case "tg-emoji":
		t.entity = Entity{Type: "custom_emoji", CustomEmojiID: attributes["emoji-id"]}
	default:
		return t, &SyntaxError{fmt.Sprintf("Unsupported start tag %q at byte offset %d", name, at)}
	}
	return t, nil
}

func endTag(out *writer, open *[]tag, rest string, at int) (int, error) {
	stack := *open
	if len(stack) == 0 {
		return 0, &SyntaxError{fmt.Sprintf("Unexpected end tag at byte offset %d", at)}
	}
	end := strings.IndexByte(rest, '>')
	if end < 0 {
		return 0, &SyntaxError{fmt.Sprintf("Unclosed end tag at byte offset %d", at)}
	}
	name := strings.ToLower(strings.TrimSpace(rest[2:end]))
	last := stack[len(stack)-1]
	if name != "" && name != last.name {
		return 0, &SyntaxError{fmt.Sprintf(`Unmatched end tag at byte offset %d, expected "</%s>", found "</%s>"`, at, last.name, name)}
	}
	*open = stack[:len(stack)-1]
	closeTag(out, *open, last)
	return end + 1, nil
}

func closeTag(out *writer, outer []tag, last tag) {
	switch {
	case last.entity.Type == "text_link" && last.entity.URL == "":
		return // an address without a target is plain text
	case last.entity.Type == "code" && len(outer) > 0 && outer[len(outer)-1].name == "pre":
		// <pre><code class="language-x"> is one block of code
		outer[len(outer)-1].entity.Language = last.entity.Language
		return
	case last.entity.Type == "code":
		last.entity.Language = ""
	}
	out.add(last.entity, last.start)
}
