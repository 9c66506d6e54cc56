package bus

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMembersComeAndGo(t *testing.T) {
	t.Parallel()
	m := newMembership("b", "c")
	steps := []struct {
		what    string
		do      func() bool
		changed bool
		want    []string
	}{
		{"its own beat", func() bool { return m.hear("b") }, false, []string{"b", "c"}},
		{"a newcomer", func() bool { return m.hear("a") }, true, []string{"a", "b", "c"}},
		{"a known one", func() bool { return m.hear("c") }, false, []string{"a", "b", "c"}},
		{"a goodbye", func() bool { return m.lose("c") }, true, []string{"a", "b"}},
		{"a second goodbye", func() bool { return m.lose("c") }, false, []string{"a", "b"}},
		{"its own goodbye", func() bool { return m.lose("b") }, false, []string{"a", "b"}},
		{"one beat missed", m.beat, false, []string{"a", "b"}},
		{"nothing heard", m.beat, false, []string{"a", "b"}},
		{"nothing heard again", m.beat, false, []string{"a", "b"}},
		{"and again", m.beat, false, []string{"a", "b"}},
		{"two beats missed", func() bool { m.hear("b"); return m.beat() }, false, []string{"a", "b"}},
		{"three beats missed", func() bool { m.hear("b"); return m.beat() }, true, []string{"b"}},
	}
	for _, s := range steps {
		if changed := s.do(); changed != s.changed {
			t.Errorf("%s: changed %v, want %v", s.what, changed, s.changed)
		}
		if diff := cmp.Diff(s.want, m.all()); diff != "" {
			t.Errorf("%s: %s", s.what, diff)
		}
	}
}

// Whatever a member hears and doesn't hear: it knows exactly those whose last
// word was no goodbye and of whose beats it has not missed three while it heard
// its own, and itself.
func TestMembership(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newMembership("me")
		missed := map[string]int{}
		heard := false
		id := rapid.SampledFrom([]string{"a", "b", "c", "me"})
		t.Repeat(map[string]func(*rapid.T){
			"hear": func(t *rapid.T) {
				who := id.Draw(t, "who")
				_, known := missed[who]
				if changed := m.hear(who); changed != (!known && who != "me") {
					t.Fatalf("changed: %v", changed)
				}
				if who == "me" {
					heard = true
				} else {
					missed[who] = 0
				}
			},
			"lose": func(t *rapid.T) {
				who := id.Draw(t, "who")
				m.lose(who)
				delete(missed, who)
			},
			"beat": func(*rapid.T) {
				m.beat()
				for who := range missed {
					if !heard {
						break
					}
					if missed[who]++; missed[who] == 3 {
						delete(missed, who)
					}
				}
				heard = false
			},
			"": func(t *rapid.T) {
				all := m.all()
				if len(all) != len(missed)+1 {
					t.Fatalf("members %v, want me and %v", all, missed)
				}
				for _, who := range all {
					if _, known := missed[who]; !known && who != "me" {
						t.Fatalf("members %v, want me and %v", all, missed)
					}
				}
			},
		})
	})
}
