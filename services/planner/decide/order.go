package decide

// nextInOrder is the bot after the last speaker, in the order of the cast, that may act.
// Lines that are on their way count, reactions don't. It is the last speaker itself where
// no other may, and the first where none of the cast has spoken lately.
func (d *decider) nextInOrder() *Bot {
	at, n := d.lastOfCast(), len(d.in.Cast)
	for i := range n {
		if next := (at + 1 + i) % n; d.weights[next] > 0 {
			d.because("order.round_robin", 1, d.in.Cast[next].Name)
			return &d.in.Cast[next]
		}
	}
	return &d.in.Cast[0] // somebody may act, or there is no decision
}

// lastOfCast is the place in the cast of the bot of it that spoke last; -1 for none.
func (d *decider) lastOfCast() int {
	for n := range len(d.in.Coming) + len(d.in.Recent) {
		for i := range d.in.Cast {
			if d.in.Cast[i].ID == d.speaker(n) {
				return i
			}
		}
	}
	return -1
}
