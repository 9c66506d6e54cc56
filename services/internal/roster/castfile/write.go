package castfile

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// Format returns a cast as a file that Parse reads back to the same cast. Fields with their default
// are left out. It writes only references to tokens; a bot without one gets env:CHORUS_TOKEN_NAME.
func Format(cast roster.Cast) []byte {
	cast.Bots = WithReferences(cast.Bots)
	chats := make([]roster.Chat, len(cast.Chats))
	for i, c := range cast.Chats {
		if c.TelegramID != 0 && c.Kind == roster.KindOf(c.TelegramID) {
			c.Kind = "" // derived from the id
		}
		chats[i] = c
	}
	cast.Chats = chats
	w := writer{
		word:     regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 ,.;'’/()!?+_-]*$|^(file|env):/?[A-Za-z0-9_./-]+$|^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$`),
		reserved: regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null|nan|inf)$`),
		fresh:    map[*schema.Schema]reflect.Value{},
	}
	w.structure(reflect.ValueOf(cast), roster.Schema(), "", "")
	if w.out.Len() == 0 {
		w.out.WriteString("bots: []\n")
	}
	return w.out.Bytes()
}

// writer writes block style YAML. The YAML library's own writer changes some texts (tabs, for one)
// and can't fold long ones.
type writer struct {
	out bytes.Buffer
	// word matches texts that need no quotation marks, except those that reserved matches.
	word, reserved *regexp.Regexp
	// Values with all defaults, built once for each schema, because a cast has thousands of
	// entries.
	fresh map[*schema.Schema]reflect.Value
}

// structure writes the fields without their default. The first one follows first instead of the
// indent.
func (w *writer) structure(v reflect.Value, s *schema.Schema, first, indent string) {
	fresh, made := w.fresh[s]
	if !made {
		fresh = s.New()
		w.fresh[s] = fresh
	}
	for _, f := range s.Fields {
		field := f.In(v)
		if !f.Required && (reflect.DeepEqual(field.Interface(), f.In(fresh).Interface()) || field.Kind() == reflect.Slice && field.Len() == 0) {
			continue
		}
		w.out.WriteString(first + f.Name + ":")
		first = indent
		w.value(field, f, indent)
	}
}

func (w *writer) value(v reflect.Value, f schema.Field, indent string) {
	inner := indent + "  "
	switch {
	case f.Struct != nil && v.Kind() == reflect.Slice:
		w.out.WriteByte('\n')
		for i := range v.Len() {
			w.structure(v.Index(i), f.Struct, inner+"- ", inner+"  ")
		}
	case f.Struct != nil:
		w.out.WriteByte('\n')
		w.structure(v, f.Struct, inner, inner)
	case v.Kind() == reflect.Slice:
		w.out.WriteByte('\n')
		for i := range v.Len() {
			w.out.WriteString(inner + "- " + w.scalar(v.Index(i).String()) + "\n")
		}
	default:
		w.out.WriteString(" " + w.simple(v, inner) + "\n")
	}
}

func (w *writer) simple(v reflect.Value, indent string) string {
	switch v.Kind() {
	case reflect.String:
		return w.folded(v.String(), indent)
	case reflect.Struct: // a reference
		return w.scalar(schema.Format(v))
	default:
		return schema.Format(v)
	}
}

// width is the column at which long texts are folded.
const width = 88

// folded writes a long text over several lines if this can't change it.
func (w *writer) folded(text, indent string) string {
	words := strings.Split(text, " ")
	odd := func(r rune) bool { return r != ' ' && (unicode.IsSpace(r) || !unicode.IsPrint(r)) }
	if len(text) < width || strings.ContainsFunc(text, odd) || slices.Contains(words, "") {
		return w.scalar(text)
	}
	var b strings.Builder
	b.WriteString(">-")
	column := width
	for _, word := range words {
		if column+1+len(word) > width {
			b.WriteString("\n" + indent + word)
			column = len(indent) + len(word)
			continue
		}
		b.WriteString(" " + word)
		column += 1 + len(word)
	}
	return b.String()
}

// scalar writes a text on one line, quoted unless YAML reads it as a text anyway. Go's quotes are
// YAML's double quotes.
func (w *writer) scalar(text string) string {
	if w.word.MatchString(text) && !w.reserved.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

// WithReferences gives every bot without a token reference one of its own.
func WithReferences(bots []roster.Bot) []roster.Bot {
	used := map[string]bool{}
	for _, b := range bots {
		used[b.Token.Env] = true
	}
	bots = append([]roster.Bot(nil), bots...)
	for i := range bots {
		if bots[i].Token != (secret.Ref{}) {
			continue
		}
		base := Variable(bots[i].Name)
		name := base
		for n := 2; used[name]; n++ { // a-b and a_b give the same name
			name = base + "_" + strconv.Itoa(n)
		}
		used[name] = true
		bots[i].Token.Env = name
	}
	return bots
}

// Variable returns the environment variable that holds an exported bot's token.
func Variable(bot string) string {
	return "CHORUS_TOKEN_" + strings.ToUpper(strings.ReplaceAll(bot, "-", "_"))
}
