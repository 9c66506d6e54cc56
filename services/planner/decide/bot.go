package decide

// bot chooses who acts, among those that may.
func (d *decider) bot(prompt *Message) *Bot {
	if prompt == nil && len(d.in.Recent) > 0 {
		d.addressed = d.addressees(&d.in.Recent[len(d.in.Recent)-1])
	}
	d.dropLastSpeaker(prompt)
	if prompt != nil && !d.anyAddressed() {
		d.favourInterested(prompt)
	}
	sum := 0.0
	for i := range d.weights {
		d.weights[i] *= d.lagging(i) * d.called(i, prompt)
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
	return bot
}

// dropLastSpeaker lets nobody speak twice in a row, unless nobody else could, or
// a person asked just them.
func (d *decider) dropLastSpeaker(prompt *Message) {
	last := d.in.LastPlanned
	if n := len(d.in.Recent); last == 0 && n > 0 {
		last = d.in.Recent[n-1].BotID
	}
	if last == 0 || prompt != nil && d.anyAddressed() {
		return
	}
	speaker, others := -1, false
	for i := range d.weights {
		switch {
		case d.in.Cast[i].ID == last:
			speaker = i
		case d.weights[i] > 0:
			others = true
		}
	}
	if speaker >= 0 && others {
		d.weights[speaker] = 0
	}
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

// favourInterested gives a question to the group rather to whom it interests.
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
	interests.visit(prompt.Text, func(k keyword) { d.weights[k.bit]++ })
}
