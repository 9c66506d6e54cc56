package talk_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/talk"
)

func TestWelcomed(t *testing.T) {
	t.Parallel()
	lines := script(t, "0 ann\n1 ben\n2 ann\n3 MIA >1\n4 MIA >1\n5 ben >1\n6 ann >4\n7 ann")
	lines = append(lines, talk.Line{ID: 9, Who: "MIA", Answers: 2, Reaction: true}, talk.Line{ID: 10, Who: "ann", Bot: true, Answers: 2, Reaction: true})
	want := []talk.Welcome{{Who: "ann", Lines: 4, Answers: 50}, {Who: "ben", Lines: 2, Reactions: 50}}
	if diff := cmp.Diff(want, talk.Welcomed(lines)); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
	if got := talk.Welcomed(script(t, "0 ann\n1 ben >1")); got != nil {
		t.Errorf("without people: %v", got)
	}
}

func TestRelated(t *testing.T) {
	t.Parallel()
	var lines []talk.Line
	for i, said := range [][2]string{
		{"ann", "Translation kills rhythm."},
		{"ben", "Translation keeps rhythm."},
		{"ann", "Rain again."},
		{"ann", "Translation saves rhythm and dialect."},
		{"ann", "Translation of dialect saves rhythm."},
		{"ann", "Rain again."},
	} {
		lines = append(lines, talk.Line{Who: said[0], Bot: true, Text: said[1], At: time.Unix(int64(i), 0)})
	}
	got := talk.Related(lines, 2)
	if len(got) != 2 || got[0].A.Text != lines[3].Text || got[0].B.Text != lines[4].Text || got[1].A.Text != lines[0].Text {
		t.Errorf("got %v", got)
	}
}
