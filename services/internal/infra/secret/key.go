package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeySize is the length of a key in bytes: AES-256.
const KeySize = 32

// Key is a named key. It prints as its id, never as its content.
type Key struct {
	id string
	// material is a function, because fmt prints the unexported fields of a struct around a
	// Key without calling its methods, and follows pointers to structs and arrays. Of a
	// function it only prints the address.
	material func() material
}

type material struct {
	raw  [KeySize]byte
	aead cipher.AEAD
}

// NewKey returns a random key, named after its own hash.
func NewKey() (Key, error) {
	raw := make([]byte, KeySize)
	_, _ = rand.Read(raw) // it never fails: it crashes the program instead
	return newKey("", raw)
}

// ID returns the key's name in sealed values and in errors.
func (k Key) ID() string { return k.id }

// String returns the id and a mask.
func (k Key) String() string { return k.id + ":" + mask }

// GoString returns the id and a mask, for %#v.
func (k Key) GoString() string { return k.String() }

// Format writes the id and a mask, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// Reveal returns the key in the form that ParseKeys reads, id:base64, for a key file.
func (k Key) Reveal() string {
	raw := k.material().raw
	return k.id + ":" + base64.StdEncoding.EncodeToString(raw[:])
}

// maxID limits an id's length, which is stored in one byte.
const maxID = 32

// validID is called at each Open, so it must be fast.
func validID(id string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return id != "" && len(id) <= maxID && strings.IndexByte(first, id[0]) >= 0 && strings.Trim(id, first+"_-") == ""
}

// newKey returns a key with the given bytes. Without an id it is named after its hash,
// which reveals nothing about a random key.
func newKey(id string, raw []byte) (Key, error) {
	if len(raw) != KeySize {
		return Key{}, fmt.Errorf("is %d bytes long, want base64 of %d random bytes (openssl rand -base64 %d)", len(raw), KeySize, KeySize)
	}
	m := material{raw: [KeySize]byte(raw)}
	if m.raw == [KeySize]byte{} {
		return Key{}, errors.New("is all zeros, want random bytes (openssl rand -base64 32)")
	}
	if id == "" {
		sum := sha256.Sum256(raw)
		id = hex.EncodeToString(sum[:4])
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return Key{}, fmt.Errorf("make a cipher: %w", err)
	}
	if m.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return Key{}, fmt.Errorf("make a cipher: %w", err)
	}
	return Key{id: id, material: func() material { return m }}, nil
}

// ParseKeys parses 32-byte keys separated by commas or white space, each as id:base64 or as
// base64 alone. The first key seals; all keys open. To rotate keys, put a new one first.
// Errors name a key by its id or position and never repeat its content.
func ParseKeys(text string) (Keyring, error) {
	separator := func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' }
	var ring Keyring
	for i, part := range strings.FieldsFunc(text, separator) {
		k, err := parseKey(part)
		if err != nil {
			return Keyring{}, fmt.Errorf("key %d: %w", i+1, err)
		}
		if _, found := ring.find(k.id); found {
			return Keyring{}, fmt.Errorf("key %d: there is another key with the id %q", i+1, k.id)
		}
		ring.keys = append(ring.keys, k)
	}
	if len(ring.keys) == 0 {
		return Keyring{}, errors.New("there is no key")
	}
	return ring, nil
}

func parseKey(text string) (Key, error) {
	id, encoded, named := strings.Cut(text, ":")
	if !named {
		id, encoded = "", text
	} else if !validID(id) {
		return Key{}, fmt.Errorf("its id is not made of 1 to %d lower-case letters, digits, - and _", maxID)
	}
	raw, err := decodeBase64(encoded)
	if err != nil {
		return Key{}, errors.New("is no base64 (openssl rand -base64 32)")
	}
	return newKey(id, raw)
}

// decodeBase64 accepts both alphabets, with and without padding. The error of package
// base64 is not passed on, because it may quote the key.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}
