package telegram

// MaxText is the length of the longest message text, as TextLength counts it.
const MaxText = 4096

// TextLength is a text's length in UTF-16 code units, as the Bot API counts
// offsets and lengths: an emoji beyond the Basic Multilingual Plane counts two.
func TextLength(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
