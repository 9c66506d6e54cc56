package secret

import (
	"crypto/subtle"
	"fmt"
)

const mask = "***"

// String is a secret text. However it is printed, logged or marshalled, a mask comes out
// ("" if it is empty); only Reveal returns the text. The zero String is empty. It is safe
// for concurrent use and may be copied.
type String struct {
	// text is a pointer, because fmt prints the unexported fields of a struct around a
	// String without calling its methods: then it prints an address.
	text *string
}

// New returns a text as a secret.
func New(text string) String { return String{text: &text} }

// Reveal returns the text.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.Reveal() == "" }

// Equal compares the texts in constant time for equal lengths.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns the mask, or "" for an empty secret.
func (s String) String() string {
	if s.Empty() {
		return ""
	}
	return mask
}

// GoString returns the mask, for %#v.
func (s String) GoString() string { return s.String() }

// Format writes the mask, whatever the verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText returns the mask: for YAML, and for map keys in logs and JSON.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON returns the mask as a JSON string.
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// UnmarshalText stores the text as the secret. It never fails.
func (s *String) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}
