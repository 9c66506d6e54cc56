package settingspg

import (
	"encoding/json"
	"testing"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/settings"
)

func TestOnlyWhatIsNewIsAChange(t *testing.T) {
	t.Parallel()
	scale := func(value string) []settings.Stored {
		return []settings.Stored{{Key: "scale_factor", Scope: settings.Global, Value: json.RawMessage(value)}}
	}
	w := &Watch{log: zap.NewNop()}
	w.take(scale("2"))
	before, changed := w.Current(), w.Changed()
	w.take(scale("2"))
	if w.Current() != before {
		t.Error("the same was taken for a change")
	}
	w.take(scale("3"))
	select {
	case <-changed:
	default:
		t.Error("a change was not announced")
	}
	if old, now := settings.ScaleFactor.Of(before, 0, 0), settings.ScaleFactor.Of(w.Current(), 0, 0); old != 2 || now != 3 {
		t.Errorf("the old snapshot says %v, the new one %v, want 2 and 3", old, now)
	}
	w.take(nil)
	if got := settings.ScaleFactor.Of(w.Current(), 0, 0); got != 1 {
		t.Errorf("taken back, it is %v, want 1", got)
	}
}
