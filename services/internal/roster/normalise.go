package roster

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/infra/schema"
)

// Schema describes a Cast.
func Schema() *schema.Schema { return schema.Of(reflect.TypeFor[Cast](), "cast") }

// Normalise changes a cast to its stored form: no white space around texts, no empty lists, the
// kind of each chat filled in. It doesn't validate.
func (c *Cast) Normalise() {
	trim(reflect.ValueOf(c).Elem(), Schema())
	for i := range c.Chats {
		chat := &c.Chats[i]
		switch {
		case chat.Kind != "":
		case chat.TelegramID != 0:
			chat.Kind = KindOf(chat.TelegramID)
		default:
			chat.Kind = Supergroup
		}
	}
}

func trim(v reflect.Value, s *schema.Schema) {
	for _, f := range s.Fields {
		field := f.In(v)
		switch {
		case field.Kind() == reflect.Slice && field.Len() == 0:
			field.SetZero()
		case f.Struct != nil && field.Kind() == reflect.Slice:
			for i := range field.Len() {
				trim(field.Index(i), f.Struct)
			}
		case f.Struct != nil:
			trim(field, f.Struct)
		case field.Kind() == reflect.Slice:
			for i := range field.Len() {
				field.Index(i).SetString(strings.TrimSpace(field.Index(i).String()))
			}
		case field.Kind() == reflect.String:
			field.SetString(strings.TrimSpace(field.String()))
		}
	}
}

// checkHours reports invalid ranges in a bot's active hours.
func (v *validator) checkHours(ranges []string, at string) {
	for i, text := range ranges {
		if _, err := hours.Parse(text); err != nil {
			v.add(fmt.Sprintf("%s.active_hours[%d]", at, i), schema.Quote(text),
				"HH:MM-HH:MM, such as 08:00-23:30; 22:00-02:00 crosses midnight")
		}
	}
}
