package secret

import (
	"crypto/subtle"
	"fmt"
)

const mask = "***"

// String is a text that must not be shown. However it is printed, logged or
// marshalled, a mask comes out ("" if it is empty); only Reveal gives the text.
// The zero String is empty. It is safe for concurrent use and may be copied.
type String struct {
	// A pointer, because fmt prints the unexported fields of a struct around a
	// String without asking its methods: it then shows an address.
	text *string
}

// New makes a secret of a text.
func New(text string) String { return String{text: &text} }

// Reveal is the text itself.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.Reveal() == "" }

// Equal compares the texts, in a time that does not depend on where they differ.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String is the mask, or "" for an empty secret.
func (s String) String() string {
	if s.Empty() {
		return ""
	}
	return mask
}

// GoString is the mask, for %#v.
func (s String) GoString() string { return s.String() }

// Format writes the mask, whatever the verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText is the mask: for YAML, and for logs and JSON where this is a key.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is the mask as a JSON string.
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// UnmarshalText takes the text as the secret. It never fails.
func (s *String) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}
