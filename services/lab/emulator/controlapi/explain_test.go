package controlapi

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Whatever is sent, a body that can't be decoded is explained in a line.
func FuzzExplain(f *testing.F) {
	for _, seed := range []string{
		`{"username":5}`, `{"title":"x","topics":{"7":{"name":1}}}`, `[{"kind":"hang","duration":"x"},"a:b"]`, `{"chat":{"per":5}}`,
		`{"topics":{"x":{}}}`, `[[]]`, `[null]`, `{"":""}`, `{"id":1e99}`, `{"chat":[]}`, "[\"\xff\"]", `{"available_reactions":{}}`, `[{"until":"x"}]`,
	} {
		f.Add([]byte(seed))
	}

	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}

		explained[world.NewBot](t, body)
		explained[world.NewChat](t, body)
		explained[[]newRule](t, body)
		explained[flood.Limits](t, body)
	})
}

func explained[T any](t *testing.T, body []byte) {
	t.Helper()

	try := func(b []byte) error { return strict(b, new(T)) }
	if try(body) == nil {
		return
	}

	why := explain(body, reflect.TypeFor[T](), try)
	if why == "" || strings.HasSuffix(why, "can't be read") || strings.Contains(why, "\n") {
		t.Errorf("%T: %s was explained by %q", *new(T), body, why)
	}
}
