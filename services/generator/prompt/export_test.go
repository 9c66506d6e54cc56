package prompt

// Line is line, for tests.
var Line = line //nolint:gochecknoglobals // tests only

// The bounds of a line.
const (
	MostOfLine = mostOfLine
	MostOfName = mostOfName
)
