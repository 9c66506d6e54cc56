package prompt

// Line exports line to tests.
var Line = line

// The limits of a line.
const (
	MaxOfLine = maxOfLine
	MaxOfName = maxOfName
)
