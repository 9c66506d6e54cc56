// Package source reads transcripts: Chorus' own JSON, the result.json of Telegram Desktop, the
// emulator's log or messages, the JSON output of chorus simulate, and a chat in the database.
package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/talk"
)

// Options select the part of a file to read.
type Options struct {
	// Chat names the chat if a file has several.
	Chat string
	// Bots names the bots in an export of Telegram, which doesn't mark them.
	Bots []string
}

const formats = `a JSON object with "lines", the result.json of Telegram Desktop, ` +
	`the emulator's log of calls or messages of a chat, or chorus simulate --output json`

// Parse reads a file of any format. An error names the field, its value and the allowed values.
func Parse(content []byte, o Options) ([]talk.Line, error) {
	content = bytes.TrimSpace(content)
	if bytes.HasPrefix(content, []byte("[")) {
		return messages(content)
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	var first map[string]json.RawMessage
	if err := decoder.Decode(&first); err != nil {
		return nil, fmt.Errorf("%.40q is no JSON, want %s", content, formats)
	}
	has := func(field string) bool { return first[field] != nil }
	switch {
	case has("method"):
		return calls(content, o)
	case decoder.More():
		return nil, fmt.Errorf("has something after its JSON object, want %s", formats)
	case has("lines"):
		return ours(first["lines"])
	case has("turns"):
		return simulation(first["turns"], o)
	case has("chats"), has("messages"):
		return telegram(first, o)
	}
	return nil, fmt.Errorf("has the fields {%s}, want %s", names(first), formats)
}

// names returns the keys of a map, quoted and sorted.
func names[T any](of map[string]T) string {
	var quoted []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		quoted = append(quoted, strconv.Quote(name))
	}
	return strings.Join(quoted, ", ")
}

// each decodes the items of an array one by one, so that an error can name the item.
func each[T any](array json.RawMessage, field string, do func(field string, item T) error) error {
	var items []json.RawMessage
	if err := json.Unmarshal(array, &items); err != nil {
		return fmt.Errorf("%s: %.40q, want a list", field, array)
	}
	for i, raw := range items {
		at := fmt.Sprintf("%s[%d]", field, i)
		item, err := decode[T](raw, at)
		if err != nil {
			return err
		}
		if err := do(at, item); err != nil {
			return err
		}
	}
	return nil
}

func decode[T any](raw []byte, at string) (T, error) {
	var item T
	err := json.Unmarshal(raw, &item)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
		return item, fmt.Errorf("%s.%s: %s, want %s", at, wrong.Field, valueOf(raw, wrong), kind(wrong))
	}
	if err != nil {
		return item, fmt.Errorf("%s: %.80q: %w", at, raw, err)
	}
	return item, nil
}

// valueOf returns the value of the field, if it is the object's own.
func valueOf(raw []byte, wrong *json.UnmarshalTypeError) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) == nil && object[wrong.Field] != nil {
		return fmt.Sprintf("%.40s", object[wrong.Field])
	}
	return "a " + wrong.Value
}

func kind(wrong *json.UnmarshalTypeError) string {
	switch wrong.Type.Kind().String() {
	case "int64":
		return "a whole number"
	case "bool":
		return "true or false"
	case "string":
		return "a text"
	}
	return "a JSON object"
}

// missing returns the error for an empty field.
func missing(at, field, want string) error {
	return fmt.Errorf("%s.%s: is missing, want %s", at, field, want)
}

// chosen returns the lines of the wanted chat, or of the only one.
func chosen(by map[string][]talk.Line, o Options) ([]talk.Line, error) {
	if lines, found := by[o.Chat]; found {
		return lines, nil
	}
	if o.Chat == "" && len(by) == 1 {
		for _, lines := range by {
			return lines, nil
		}
	}
	if len(by) == 0 {
		return nil, errors.New("has no message")
	}
	return nil, fmt.Errorf("--chat: %q, want one of %s", o.Chat, names(by))
}
