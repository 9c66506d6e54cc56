package prompt

// Line is line, for tests.
var Line = line

// The bounds of a line.
const (
	MaxOfLine = maxOfLine
	MaxOfName = maxOfName
)
