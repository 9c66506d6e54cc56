package markup

import (
	"fmt"
	"strings"
)

// parseMarkdown reads the legacy Markdown mode: no nesting, and a backslash
// escapes only the four characters that begin an entity.
func parseMarkdown(text string) (Text, error) {
	var out writer
	for at := 0; at < len(text); {
		rest := text[at:]
		switch {
		case rest[0] == '\\' && len(rest) > 1 && strings.IndexByte("_*`[", rest[1]) >= 0:
			at += 1 + out.copyRune(rest[1:])
		case strings.IndexByte("_*`[", rest[0]) < 0:
			at += out.copyRune(rest)
		default:
			n, err := legacyEntity(&out, rest, at)
			if err != nil {
				return Text{}, err
			}
			at += n
		}
	}
	return out.result(), nil
}

// legacyEntity reads the entity that rest begins with and returns its length.
func legacyEntity(out *writer, rest string, at int) (int, error) {
	mark, end, kind := rest[:1], rest[:1], "bold"
	switch {
	case strings.HasPrefix(rest, "```"):
		mark, end, kind = "```", "```", "pre"
	case mark == "_":
		kind = "italic"
	case mark == "`":
		kind = "code"
	case mark == "[":
		end, kind = "]", "text_link"
	}
	inner, after, ok := strings.Cut(rest[len(mark):], end)
	if !ok {
		return 0, &SyntaxError{fmt.Sprintf("Can't find end of the entity starting at byte offset %d", at)}
	}
	entity := Entity{Type: kind}
	size := len(mark) + len(inner) + len(end)
	if kind == "pre" {
		if language, code, ok := strings.Cut(inner, "\n"); ok && !strings.ContainsAny(language, " \t`") {
			entity.Language, inner = language, code
		}
	}
	start := out.units
	out.copyAll(inner)
	if kind != "text_link" {
		out.add(entity, start)
		return size, nil
	}
	if url, _, ok := strings.Cut(after, ")"); ok && strings.HasPrefix(url, "(") {
		entity.URL = url[1:]
		size += len(url) + 1
		out.add(entity, start)
	}
	return size, nil
}
