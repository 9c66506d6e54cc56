// Package settings defines Chorus' run-time parameters in a table: the name, range, default and
// scopes of each. Package settingspg stores their values; this package validates them and makes
// immutable snapshots.
//
// A setting can be set globally, for a chat or for a bot, as far as its scopes allow. The narrowest
// value holds: bot, then chat, then global, then the default, which may depend on the setting
// style.
package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
)

// Scope is a scope in which a setting is set.
type Scope string

// The scopes.
const (
	Global Scope = "global"
	Chat   Scope = "chat"
	Bot    Scope = "bot"
)

// Definition is one row of the table. It never changes.
type Definition struct {
	Key         string
	Default     string // in the format of Text
	Range       string // the allowed values, in words
	Scopes      []Scope
	Description string
	// Styles holds other defaults for chats of a style, in the format of Text.
	Styles map[string]string

	field schema.Field
}

// Key is a setting with values of type T.
type Key[T any] struct {
	*Definition
	fallback T
	styled   map[string]T
}

// styles returns the styles with defaults of their own. Each may be a tag of a key.
func styles() [3]string { return [...]string{"calm", "debate", "play"} }

// key returns a key, from tags of package schema. It panics on a mistake in the table.
func key[T any](name string, tags reflect.StructTag) Key[T] {
	f := schema.One(name, reflect.TypeFor[T](), tags)
	scopes := []Scope{Global, Chat}
	if only := tags.Get("scope"); only != "" {
		scopes = []Scope{Scope(only)}
	}
	fallback := f.MustParse(f.Default)
	styled, texts := map[string]T{}, map[string]string{}
	for _, style := range styles() {
		if text, differs := tags.Lookup(style); differs {
			value := f.MustParse(text)
			styled[style] = value.Interface().(T) //nolint:forcetypeassert // the field is described by T
			texts[style] = schema.Format(value)
		}
	}
	return Key[T]{
		fallback: fallback.Interface().(T), //nolint:forcetypeassert // as above
		styled:   styled,
		Definition: &Definition{
			Key: name, Default: schema.Format(fallback), Range: f.Want, Scopes: scopes, Description: f.Doc, Styles: texts, field: f,
		},
	}
}

// Of returns the setting's value for a chat and a bot; 0 for neither. The caller must not change
// it.
func (k Key[T]) Of(v *Values, chatID, botID int64) T {
	if value, _, ok := v.lookup(k.Definition, chatID, botID); ok {
		if t, ok := reflect.TypeAssert[T](value); ok {
			return t
		}
	}
	if len(k.styled) > 0 {
		if t, differs := k.styled[Style.Of(v, chatID, 0)]; differs {
			return t
		}
	}
	return k.fallback
}

// ParseJSON validates a value in the format of the store and the API, and returns its canonical
// form. It is strict: a string is never accepted as a bool or a number.
func (d *Definition) ParseJSON(raw json.RawMessage) (json.RawMessage, error) {
	value, err := d.fromJSON(raw)
	if err != nil {
		return nil, err
	}
	return d.encode(value)
}

// ParseText validates a value in the format of the command line, and returns it as ParseJSON does.
// Commas separate the items of lists; an empty text is an empty list.
func (d *Definition) ParseText(text string) (json.RawMessage, error) {
	value, err := d.read(text, schema.Quote(text))
	if err != nil {
		return nil, err
	}
	return d.encode(value)
}

// Words returns the allowed values as texts if they are few; else nil.
func (d *Definition) Words() []string {
	switch d.field.Type.Kind() {
	case reflect.Bool:
		return []string{"true", "false"}
	case reflect.String:
		return d.field.Words
	default:
		return nil
	}
}

// Allows returns an error if the setting can't be set for a scope.
func (d *Definition) Allows(scope Scope) error {
	if slices.Contains(d.Scopes, scope) {
		return nil
	}
	return schema.Problem{Path: d.Key + ": scope", Value: schema.Quote(string(scope)), Want: schema.Or(d.scopes())}
}

func (d *Definition) scopes() []string {
	names := make([]string, len(d.Scopes))
	for i, s := range d.Scopes {
		names[i] = string(s)
	}
	return names
}

// read parses a value; an error shows it as shown.
func (d *Definition) read(text, shown string) (reflect.Value, error) {
	value, err := d.field.Parse(text)
	if err != nil || len(d.field.Check(value, d.Key)) > 0 {
		return value, d.wrong(shown)
	}
	return value, nil
}

func (d *Definition) wrong(shown string) error {
	return schema.Problem{Path: d.Key, Value: shown, Want: d.Range}
}

func (d *Definition) fromJSON(raw json.RawMessage) (reflect.Value, error) {
	quoted := schema.Quote(string(raw))
	shown := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	text, ok := string(bytes.TrimSpace(raw)), json.Valid(raw)
	switch d.field.Kind {
	case schema.Bool, schema.Whole, schema.Number:
	case schema.List:
		var items []string
		ok = json.Unmarshal(raw, &items) == nil && items != nil &&
			!slices.ContainsFunc(items, func(item string) bool { return item == "" || strings.Contains(item, ",") })
		text = strings.Join(items, ",")
	default:
		var s *string
		if ok = json.Unmarshal(raw, &s) == nil && s != nil; ok {
			text = *s
		}
	}
	if !ok {
		return reflect.Value{}, d.wrong(shown)
	}
	return d.read(text, shown)
}

// encode gives durations and hours their usual form: 60s becomes 1m.
func (d *Definition) encode(v reflect.Value) (json.RawMessage, error) {
	value := v.Interface()
	if d.field.Kind == schema.Length {
		value = schema.Format(v)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Key, err)
	}
	return raw, nil
}

// Find returns the definition of a key. The error for an unknown key suggests the most similar one.
func Find(key string) (*Definition, error) {
	var keys []string
	for _, d := range All() {
		if d.Key == key {
			return d, nil
		}
		keys = append(keys, d.Key)
	}
	if hint := schema.Suggest(key, keys); hint != "" {
		return nil, fmt.Errorf("setting %.64q: there is none%s", key, hint)
	}
	return nil, fmt.Errorf("setting %.64q: there is none; `chorus settings list` shows all", key)
}

// styled returns the defaults of other styles, such as ", calm `2`".
func (d *Definition) styled() string {
	var b strings.Builder
	for _, style := range styles() {
		if text, differs := d.Styles[style]; differs {
			fmt.Fprintf(&b, ", %s `%s`", style, text)
		}
	}
	return b.String()
}

// WriteMarkdown writes the table of all settings for the documentation.
func WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| Setting | Default | Allowed | Set for | What it does |\n|---|---|---|---|---|\n")
	for _, d := range All() {
		fmt.Fprintf(&b, "| `%s` | `%s`%s | %s | %s | %s |\n",
			d.Key, d.Default, d.styled(), d.Range, strings.Join(d.scopes(), ", "), strings.ReplaceAll(d.Description, "|", `\|`))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the table of settings: %w", err)
	}
	return nil
}
