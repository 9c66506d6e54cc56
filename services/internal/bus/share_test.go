package bus

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/proto/subject"
)

// Replicas of two versions must come to the same result, so this never changes.
func TestShareIsPinned(t *testing.T) {
	t.Parallel()
	if got, want := weight(7, "anna"), uint64(0xd48c839412a7e17f); got != want {
		t.Errorf("weight %#x, want %#x", got, want)
	}
	got := ""
	for _, owner := range share([]string{"anna", "bert", "carl"}) {
		got += owner[:1]
	}
	const want = "bcbbacaabaaabbaccabbbccabaaabbbbabbacaaababbabaaacccbbcccccccccc"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func drawMembers(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z2-7]{26}`), 1, 100, rapid.ID).Draw(t, "members")
}

func TestShareIsCompleteEvenAndInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := drawMembers(t)
		owners := share(members)
		load := map[string]int{}
		for p, owner := range owners {
			if !slices.Contains(members, owner) {
				t.Fatalf("partition %d belongs to %q", p, owner)
			}
			load[owner]++
		}
		part := (subject.Partitions + len(members) - 1) / len(members)
		for m, n := range load {
			if n > part {
				t.Fatalf("%s has %d partitions, want %d at most", m, n, part)
			}
		}
		if other := share(rapid.Permutation(members).Draw(t, "order")); other != owners {
			t.Fatal("the order of the members matters")
		}
	})
}

// A partition that moves costs its readers what they have in hand. Counting off
// the members would move 7 of 8.
func TestANewMemberMovesLittle(t *testing.T) {
	t.Parallel()
	var members []string
	for n := range 16 {
		members = append(members, fmt.Sprint("member-", n))
		if n == 0 {
			continue
		}
		moved := 0
		before, after := share(members[:n]), share(members)
		for p := range after {
			if before[p] != after[p] {
				moved++
			}
		}
		if most := subject.Partitions/(n+1) + subject.Partitions/5; moved > most {
			t.Errorf("%d partitions move for member %d, want %d at most", moved, n+1, most)
		}
	}
}

func TestNobodyHasNothingToShare(t *testing.T) {
	t.Parallel()
	if share(nil) != [subject.Partitions]string{} {
		t.Error("partitions without members have owners")
	}
}
