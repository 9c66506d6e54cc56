package killpoint

import "slices"

// The steps of the services with an effect outside of their process: statements, by the names in
// their first lines, calls, and messages to the bus. A process may die between any two steps. A
// test that kills at a point fails if the point is never reached.

const (
	begin  = "begin"
	commit = "commit"
)

// The sender's steps that are not statements.
const (
	Send        = "send"
	React       = "react"
	Acknowledge = "acknowledge a ring"
	Pause       = "pause"
	Begin       = "begin a call"
)

// Sender returns the steps of a delivery. Statements over many deliveries claim, pause and begin
// it.
func Sender() []string {
	return Each(
		"claim deliveries", Pause, Begin, Send, React, "commit deliveries", "defer delivery", "take deliveries over", "wait", "suspend a bot",
		"dead-letter a delivery", Acknowledge,
	)
}

// The generator's steps that are not statements.
const (
	Write = "write a text"
	Ring  = "ring"
)

// Generator returns the steps from a turn to its delivery.
func Generator() []string { return Each("claim turns", Write, "commit turns", Ring) }

// Planner returns the steps of planning a batch of chats, of answering a prompt, and of the stage
// that answers.
func Planner() (batch, answer, stage []string) {
	batch = Each(
		"claim due chats", begin, "lock due chats", "look at locked chats", "plan turns", commit, "end overdue turns",
		"look for what was not said", "find what was not said",
	)
	answer = Each(
		begin, "claim a chat", "hold the prompt", "look at a chat", "count answers", "look for answers",
		"look for prompts that wait", "count bots",
		"lock the person", "count a person's", "write turns", "count the answer", "write the answer", "end the other prompt", commit,
	)
	return batch, answer, Each("claim prompts", "end prompts")
}

// Listener returns the steps of the intake of updates, of the answer to a command, and of the
// erasure of a person.
func Listener() (intake, reply, erasure []string) {
	intake = Each(
		begin, "claim updates", "find chats", "find copies", "make room for a chat", "lock chats", "find who is forgotten", "write people",
		"write a message", "write a prompt", commit,
	)
	reply = Each(
		"claim commands", begin, "end a command", "lock the clock", "count answers", "read a cast", "read rules", "choose a bot", "take a turn",
		"write turns", commit,
	)
	erasure = Each(
		begin, "lock a person", "remember who is forgotten", "keep marks", "forget prompts", "forget memories", "forget messages", "forget answers",
		"forget a person", commit, "read turns", "withhold deliveries", "lock turns", "redact a turn", "redact a delivery", "delete messages",
		"delete sent messages", "delete dead letters", "delete drafts", "blank decisions", "end texts in work", "forget what was shown", "end the erasure",
	)
	return intake, reply, erasure
}

// Approval returns the points of an operator's buttons and their notices.
func Approval() []string {
	return Each(
		"claim presses", "look at a text that was shown", "audit: begin", begin, "lock a held turn", "read held deliveries", "approve deliveries",
		"note a decision", commit, "audit: end", "end a press", "find notices of texts that wait no more", "look whether a text was shown",
		"lock a text that was shown", "look what was decided", "close a notice", "blank a notice", "take a turn", "write turns",
	)
}

// Each returns the points before and after each step.
func Each(steps ...string) (points []string) {
	for _, name := range steps {
		points = append(points, "before "+name, "after "+name)
	}
	return points
}

// Unreached returns the points at which no process was killed.
func Unreached(points []string, died map[string]int) []string {
	return slices.DeleteFunc(slices.Clone(points), func(p string) bool { return died[p] > 0 })
}
