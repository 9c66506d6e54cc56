package decide

// bot chooses who acts, among those that may.
func (d *decider) bot(prompt *Message) *Bot {
	if prompt == nil && d.set.Order == OrderRoundRobin {
		return d.nextInOrder()
	}
	if prompt == nil {
		d.lately = d.lookAtLately()
		if !d.reacts {
			d.floor = d.lookAtFloor()
			if bot := d.adder(); bot != nil {
				return bot
			}
			d.yield()
		}
		if len(d.in.Recent) > 0 {
			d.addressed = d.addressees(&d.in.Recent[len(d.in.Recent)-1])
		}
	}
	d.dropLastSpeaker(prompt)
	if prompt != nil && !d.anyAddressed() {
		d.favourInterested(prompt)
	}
	sum := 0.0
	for i := range d.weights {
		d.weights[i] *= d.lagging(i) * d.called(i, prompt) * d.exchange(i) * d.share(i) * d.pull(i)
		sum += d.weights[i]
	}
	i := d.pick(d.weights)
	bot := &d.in.Cast[i]
	d.because("bot.chosen", d.weights[i]/sum, bot.Name)
	if boost := d.lagging(i); boost != 1 {
		d.because("bot.below_hourly_min", boost, "")
	}
	if boost := d.called(i, prompt); boost != 1 {
		d.because("bot.addressed", boost, "")
	}
	if boost := d.exchange(i); boost != 1 {
		d.because("floor.exchange", boost, "")
	}
	if brake := d.share(i); brake != 1 {
		d.because("floor.share", brake, "")
	}
	if pull := d.pull(i); pull > notable || pull < 1/notable {
		d.because("floor.tempo", pull, "")
	}
	return bot
}

// dropLastSpeaker excludes the last speaker, unless no other bot could speak or a person asked
// just that bot. A bot that adds a line was chosen before.
func (d *decider) dropLastSpeaker(prompt *Message) {
	last := d.speaker(0)
	if last == 0 || prompt != nil && d.anyAddressed() {
		return
	}
	d.prefer(func(i int) bool { return d.in.Cast[i].ID != last })
}

// prefer takes the eligibility of all bots but some, if any of those is eligible.
func (d *decider) prefer(some func(i int) bool) bool {
	for i := range d.weights {
		if d.weights[i] > 0 && some(i) {
			d.keep(some)
			return true
		}
	}
	return false
}

// lagging is the factor on the weight of a bot that is below its hourly minimum.
func (d *decider) lagging(i int) float64 {
	if bot := &d.in.Cast[i]; bot.LastHour < bot.HourlyMin {
		return within(d.set.LagBoost, 1, 100)
	}
	return 1
}

// called is the factor on the weight of a bot that the last message is for. A
// prompt has made its own choice.
func (d *decider) called(i int, prompt *Message) float64 {
	if prompt == nil && d.addressed != nil && d.addressed[i] {
		return within(d.set.AddressedBoost, 1, 100)
	}
	return 1
}

func (d *decider) anyAddressed() bool {
	for _, addressed := range d.addressed {
		if addressed {
			return true
		}
	}
	return false
}

// favourInterested makes bots with an interest in a question to the group more likely to
// answer it.
func (d *decider) favourInterested(prompt *Message) {
	interests := keywords{list: make([]keyword, 0, 8*len(d.in.Cast))}
	for i := range d.in.Cast {
		if d.weights[i] == 0 {
			continue
		}
		for _, interest := range d.in.Cast[i].Interests {
			interests.addTerm(interest, interestSense, i)
		}
	}
	interests.meet(prompt, func(k keyword) { d.weights[k.bit]++ })
}
