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

// Format writes a cast as a file that Parse reads to the same cast. Fields that
// have their default are left out. Only references to tokens are written; a bot
// without one gets env:CHORUS_TOKEN_NAME.
func Format(cast roster.Cast) []byte {
	cast.Bots = WithReferences(cast.Bots)
	chats := make([]roster.Chat, len(cast.Chats))
	for i, c := range cast.Chats {
		if c.TelegramID != 0 && c.Kind == roster.KindOf(c.TelegramID) {
			c.Kind = "" // it follows from the id
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

// writer writes block style YAML. The YAML library's own writer changes some
// texts on their way (tabs, for one), and would not fold long ones.
type writer struct {
	out bytes.Buffer
	// Texts that need no quotation marks, and those among them that do.
	word, reserved *regexp.Regexp
	// Values that have their defaults, made once for each schema: a cast has thousands.
	fresh map[*schema.Schema]reflect.Value
}

// structure writes the fields that don't have their default. First is what
// stands before the first one in place of the indent.
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

// width is where long texts are folded.
const width = 88

// folded writes a long text over several lines, where that can't change it.
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

// scalar writes a text on one line, in quotation marks unless it is plainly a
// text. Go's quotes are YAML's double quotes.
func (w *writer) scalar(text string) string {
	if w.word.MatchString(text) && !w.reserved.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

// WithReferences gives every bot a reference of its own to its token, if it has none.
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
		for n := 2; used[name]; n++ { // of a-b and a_b
			name = base + "_" + strconv.Itoa(n)
		}
		used[name] = true
		bots[i].Token.Env = name
	}
	return bots
}

// Variable is the environment variable that an exported bot's token is looked
// for in.
func Variable(bot string) string {
	return "CHORUS_TOKEN_" + strings.ToUpper(strings.ReplaceAll(bot, "-", "_"))
}
