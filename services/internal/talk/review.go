package talk

import "math"

// measure is a row of the table of measures.
type measure struct {
	name, meaning string
	want          Band
	take          func(*transcript) figure
}

// measures returns all measures, in the order of display. If there are bots, words and voices are
// measured of bots only.
func measures() []measure {
	open := Band{}
	const many = math.MaxInt
	return []measure{
		{"lines", "messages", open, func(t *transcript) figure { return figure{float64(len(t.lines)), true} }},
		{"sessions", "times of talk, between silences of more than 30 min", open, func(t *transcript) figure { return figure{float64(len(t.sessions)), true} }},

		{"burstiness", "gaps within sessions: −1 even, 0 independent, 1 in bursts", Band{0.20, 0.40}, burstiness},
		{"log_gap_correlation", "short gaps follow short ones: correlation of one log gap with the next", Band{0.20, 0.40}, logGapCorrelation},
		{"gap_median", "seconds between lines of a session, median", open, medianGap},
		{"gap_p90", "seconds between lines of a session, 90 % are shorter", open, longGap},

		{"same_speaker", "next line is by the same speaker", Band{0.15, 0.45}, sameSpeaker},
		{"mean_run", "lines of one speaker in a row, mean", Band{1.2, 1.8}, meanRun},
		{"long_runs", "runs of one speaker that have 3 lines or more", Band{High: 0.20}, longRuns},
		{"own_gap_ratio", "median gap before one's own next line, in parts of that before another's", Band{High: 0.8}, ownGapRatio},
		{"back_and_forth", "A, B, A among changes of speaker, where 3 to 5 talk", Band{0.45, 0.75}, backAndForth},
		{"top_share", "lines of a session by who says most", Band{0.35, 0.55}, topShare},
		{"other_top", "sessions in which another says most than in the one before", open, otherTop},

		{"answer_distance", "lines that an answer goes back, median", Band{High: 3}, answerDistance},
		{"answer_within_1", "answers to the line before", open, answerWithin(1)},
		{"answer_within_3", "answers that go back at most 3 lines", Band{Low: 0.55}, answerWithin(3)},
		{"answer_within_5", "answers that go back at most 5 lines", open, answerWithin(5)},
		{"no_answer", "lines without an answer", open, answered(0, 0)},
		{"one_answer", "lines with one answer", open, answered(1, 1)},
		{"two_answers", "lines with 2 answers or more", Band{0.08, 0.20}, answered(2, many)},
		{"openings", "lines that begin something new: no answer, no further line of the speaker", Band{0.10, 0.30}, openings},
		{"answer_overlap", "an answer shares a content word with its target, in multiples of a random line", Band{Low: 3}, answerOverlap},
		{"unanswered", "questions of people that nobody answered", open, unanswered},
		{"answer_time", "seconds until the first answer to a person's question, median", open, answerTime},

		{"words_median", "words in a line, median", open, medianWords},
		{"words_p90", "words in a line, 90 % have fewer", open, manyWords},
		{"length_cv", "how much lines differ in length: standard deviation by mean", Band{0.85, 1.2}, lengthVariation},
		{"one_to_three", "lines of at most 3 words", Band{Low: 0.08}, shortLines(3)},
		{"short_lines", "lines of at most 5 words", Band{Low: 0.15}, shortLines(5)},
		{"full_stop", "lines that end with . ! or ?", Band{High: 0.85}, withText(ends)},
		{"lower_case", "lines that begin in lower case", Band{Low: 0.10}, lowerCase},
		{"question", "lines with a question mark", Band{0.12, 0.25}, withText(asks)},
		{"exclamation", "lines with an exclamation mark", Band{High: 0.12}, withText(exclaims)},
		{"distinct_1", "different words among 10,000", Band{Low: 0.15}, distinct(1)},
		{"distinct_2", "different pairs of words among 10,000", Band{Low: 0.60}, distinct(2)},

		{"trigram_reuse", "three words in a row that several speakers said", open, trigramReuse},
		{"repeats", "sentences of 4 words or more that were said before within 12 h", open, repeats},
		{"voice_separation", "how often a line tells its speaker, in multiples of chance", Band{Low: 3}, voiceSeparation},
	}
}

// Review computes all measures of a transcript, whose lines may be in any order. It never fails: a
// figure for which the transcript is too short is unknown.
func Review(lines []Line) []Row {
	t := newTranscript(lines)
	var rows []Row
	for _, m := range measures() {
		f := m.take(t)
		row := Row{Name: m.name, Meaning: m.meaning, Want: m.want}
		if f.known {
			row.Figure, row.Known, row.Verdict = f.value, true, m.want.Judge(f.value)
		}
		rows = append(rows, row)
	}
	return rows
}
