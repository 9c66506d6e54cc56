package credential

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Prefix begins API tokens, so that scanners find those that were published by mistake.
const Prefix = "chorus_"

// New makes a token of 256 random bits.
func New(prefix string) string {
	bits := make([]byte, 32)
	_, _ = rand.Read(bits) // never fails: it ends the process instead
	return prefix + base64.RawURLEncoding.EncodeToString(bits)
}

// Sum returns the stored hash of a token. It needs no salt, because tokens are random.
func Sum(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
