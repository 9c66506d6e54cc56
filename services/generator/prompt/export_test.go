package prompt

// Line is line, for tests.
var Line = line

// The bounds of a line.
const (
	MostOfLine = maxOfLine
	MostOfName = maxOfName
)
