package hours_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"09:30-12:00": "09:30-12:00",
		"22:00-02:00": "22:00-02:00",
		"00:00-24:00": "00:00-24:00",
		"22:00-00:00": "22:00-24:00",
		"00:01-00:00": "00:01-24:00",
		"23:59-24:00": "23:59-24:00",
	} {
		got, err := hours.Parse(text)
		if err != nil || got.String() != want {
			t.Errorf("Parse(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
	if got := (hours.Range{}).String(); got != "00:00-24:00" {
		t.Errorf("the zero range is %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "-", "09:30", "09:30-", "9:30-12:00", "09:30-12:60", "09:30-24:01", "24:00-02:00", "25:00-26:00",
		"09.30-12.00", "09:30 - 12:00", "+9:30-12:00", "09:30-12:00-13:00", "09:30–12:00", "99:99-99:99",
		"09:00-09:00", "00:00-00:00",
	} {
		got, err := hours.Parse(text)
		if err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, got)
			continue
		}
		if !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "want") {
			t.Errorf("Parse(%q): %v: want the value and what is allowed", text, err)
		}
	}
	if got, err := hours.ParseAll([]string{"09:00-10:00", "x"}); err == nil {
		t.Errorf("ParseAll took a wrong range: %v", got)
	}
}

func TestContains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hours string
		clock string
		want  bool
	}{
		{"09:30-12:00", "09:29:59", false},
		{"09:30-12:00", "09:30:00", true},
		{"09:30-12:00", "11:59:59", true},
		{"09:30-12:00", "12:00:00", false},
		{"22:00-02:00", "21:59:59", false},
		{"22:00-02:00", "22:00:00", true},
		{"22:00-02:00", "00:00:00", true},
		{"22:00-02:00", "01:59:59", true},
		{"22:00-02:00", "02:00:00", false},
		{"22:00-24:00", "23:59:59", true},
		{"22:00-24:00", "00:00:00", false},
		{"00:00-24:00", "00:00:00", true},
		{"00:00-24:00", "23:59:59", true},
	} {
		at, err := time.Parse(time.TimeOnly, c.clock)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustParse(t, c.hours)[0].Contains(at); got != c.want {
			t.Errorf("%s contains %s: %v, want %v", c.hours, c.clock, got, c.want)
		}
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, zone, hours, now, want string
	}{
		{"always", "UTC", "", "2026-03-01T05:00:00Z", "2026-03-01T05:00:00Z"},
		{"open now", "UTC", "04:00-06:00", "2026-03-01T05:00:00.5Z", "2026-03-01T05:00:00.5Z"},
		{"later today", "UTC", "09:00-10:00", "2026-03-01T05:00:00.5Z", "2026-03-01T09:00:00Z"},
		{"tomorrow", "UTC", "09:00-10:00", "2026-03-01T10:00:00Z", "2026-03-02T09:00:00Z"},
		{"the nearer of two", "UTC", "09:00-10:00 07:00-08:00", "2026-03-01T10:00:00Z", "2026-03-02T07:00:00Z"},
		{"another zone", "Europe/Istanbul", "09:00-10:00", "2026-03-01T05:00:00Z", "2026-03-01T06:00:00Z"},
		{"summer time begins on the way", "Europe/Berlin", "09:00-10:00", "2026-03-28T20:00:00Z", "2026-03-29T07:00:00Z"},
		{"begin in the skipped hour", "Europe/Berlin", "02:30-04:00", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
		{"all of it skipped", "Europe/Berlin", "02:10-02:50", "2026-03-29T00:00:00Z", "2026-03-30T00:10:00Z"},
		{"shown twice: the first", "Europe/Berlin", "02:30-02:40", "2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z"},
		{"shown twice: the second", "Europe/Berlin", "02:30-02:40", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"},
		{"opened by the clock going back", "Europe/Berlin", "02:00-02:30", "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z"},
		{"half an hour of summer time", "Australia/Lord_Howe", "02:15-03:00", "2026-10-03T15:20:00Z", "2026-10-03T15:30:00Z"},
		{"a day that never was", "Pacific/Apia", "09:00-10:00", "2011-12-29T21:00:00Z", "2011-12-30T19:00:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		got := hours.Next(mustParse(t, strings.Fields(c.hours)...), mustTime(t, c.now).In(zone))
		if !got.Equal(mustTime(t, c.want)) {
			t.Errorf("%s: %v, want %v", c.name, got, mustTime(t, c.want).In(zone))
		}
	}
}

// Next equals a search minute by minute, on days when clocks change, too.
func TestNextIsTheFirstOpenMinute(t *testing.T) {
	t.Parallel()
	type start struct{ zone, day string }
	starts := []start{
		{"UTC", "2026-01-01T00:00:00Z"},
		{"Europe/Berlin", "2026-03-28T12:00:00Z"},
		{"Europe/Berlin", "2026-10-24T12:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-04T00:00:00Z"},
		{"Australia/Lord_Howe", "2026-10-03T00:00:00Z"},
		{"America/St_Johns", "2026-11-01T00:00:00Z"},
		{"Pacific/Apia", "2011-12-29T12:00:00Z"},
		{"Asia/Kathmandu", "2026-05-05T00:00:00Z"},
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(starts).Draw(t, "start")
		zone, err := time.LoadLocation(s.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, err := time.Parse(time.RFC3339, s.day)
		if err != nil {
			t.Fatal(err)
		}
		now := from.Add(time.Duration(rapid.IntRange(0, 36*60).Draw(t, "minute")) * time.Minute).In(zone)
		ranges := rapid.SliceOfN(rangeOf(), 1, 3).Draw(t, "ranges")
		want := now
		for !hours.Open(ranges, want) {
			want = want.Add(time.Minute)
		}
		if got := hours.Next(ranges, now); !got.Equal(want) {
			t.Fatalf("Next(%v, %v) = %v, want %v", ranges, now, got, want)
		}
	})
}

func rangeOf() *rapid.Generator[hours.Range] {
	return rapid.Custom(func(t *rapid.T) hours.Range {
		// Short ranges are the difficult ones.
		from := time.Date(2000, 1, 1, 0, rapid.IntRange(0, 24*60-1).Draw(t, "from"), 0, 0, time.UTC)
		to := from.Add(time.Duration(rapid.IntRange(1, 24*60-1).Draw(t, "length")) * time.Minute)
		r, err := hours.Parse(from.Format("15:04") + "-" + to.Format("15:04"))
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

func TestText(t *testing.T) {
	t.Parallel()
	want := mustParse(t, "09:30-12:00", "22:00-02:00")
	text, err := json.Marshal(want)
	if err != nil || string(text) != `["09:30-12:00","22:00-02:00"]` {
		t.Fatalf("JSON %s, %v", text, err)
	}
	var got []hours.Range
	if err := json.Unmarshal(text, &got); err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v came back as %v, %v", want, got, err)
	}
	if err := json.Unmarshal([]byte(`["9-5"]`), &got); err == nil {
		t.Error("a wrong range was taken from JSON")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"09:30-12:00", "22:00-02:00", "00:00-24:00", "24:00-00:00", "::::-::::", "٠٩:٣٠-١٢:٠٠"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := hours.Parse(text)
		if err != nil {
			return
		}
		again, err := hours.Parse(r.String())
		if err != nil || again != r {
			t.Errorf("%q became %v, which became %v, %v", text, r, again, err)
		}
	})
}

func mustParse(t *testing.T, texts ...string) []hours.Range {
	t.Helper()
	ranges, err := hours.ParseAll(texts)
	if err != nil {
		t.Fatal(err)
	}
	return ranges
}

func mustTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
