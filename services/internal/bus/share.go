package bus

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/chorus-cast/chorus/proto/subject"
)

// share gives every partition to one of the members. Whoever knows the same
// members, in whatever order, comes to the same result. No member gets more than
// its part, rounded up; a change of the members moves little more than it must.
//
// It is rendezvous hashing with a bound on the load: the bound keeps the busiest
// member from having twice its part, as chance would have it with few partitions.
func share(members []string) [subject.Partitions]string {
	var owners [subject.Partitions]string
	if len(members) == 0 {
		return owners
	}
	room := (subject.Partitions + len(members) - 1) / len(members)
	load := make(map[string]int, len(members))
	for p := range owners {
		var best string
		var most uint64
		for _, m := range members {
			if w := weight(p, m); load[m] < room && (best == "" || w > most || w == most && m > best) {
				best, most = m, w
			}
		}
		owners[p] = best
		load[best]++
	}
	return owners
}

// weight must be the same in every version of Chorus: replicas of two versions
// share partitions during a roll-out.
func weight(partition int, member string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s", partition, member))
	return binary.BigEndian.Uint64(sum[:])
}
