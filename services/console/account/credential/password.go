// Package credential holds what proves who somebody is: passwords, codes of an
// authenticator, and tokens. Nothing of it reads or writes.
package credential

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/sync/semaphore"
)

const (
	// shortest and longest limit a password, in characters.
	shortest, longest = 12, 256
	// fewest is the number of different characters that a password needs besides common words.
	fewest = 5
	// maxHashing limits concurrent hashing: each takes 19 MiB.
	maxHashing = 4
)

// Acceptable is an error unless a password is hard to guess. There are no rules about its
// kinds of characters: they make passwords worse.
func Acceptable(password, name string) error {
	if n := utf8.RuneCountInString(password); n < shortest || n > longest || !utf8.ValidString(password) {
		return fmt.Errorf("password: it has %d characters, want %d to %d", n, shortest, longest)
	}
	if guessable(password, append(strings.Fields(strings.ToLower(name)), common()...), fewest) {
		return errors.New("password: it is easy to guess, want one without your name, words that everybody tries, years, rows of keys and repetitions")
	}
	return nil
}

// common returns the parts that occur in lists of stolen passwords most often.
func common() []string {
	return []string{
		"password", "passwort", "passw0rd", "p@ssw0rd", "chorus", "admin", "administrator", "welcome", "letmein", "iloveyou",
		"qwertyuiop", "qwerty", "qwertz", "asdfghjkl", "asdfgh", "zxcvbnm", "1q2w3e4r", "1qaz2wsx", "q1w2e3r4", "abcdefghij", "abc123", "abcd1234",
		"1234567890", "0987654321", "123456789", "12345678", "123456", "654321", "123123", "dragon", "monkey", "football",
		"baseball", "princess", "sunshine", "superman", "master", "secret", "changeme", "trustno1", "starwars", "whatever",
	}
}

// Hasher hashes and compares passwords with argon2id. It is safe for concurrent use.
type Hasher struct {
	running *semaphore.Weighted
	// nobody is a hash that no password has.
	nobody func() string
}

// NewHasher makes one.
func NewHasher() *Hasher {
	return &Hasher{semaphore.NewWeighted(maxHashing), sync.OnceValue(func() string {
		hash, err := argon2id.CreateHash(New(""), parameters())
		if err != nil {
			return ""
		}
		return hash
	})}
}

// parameters returns OWASP's minimum.
func parameters() *argon2id.Params {
	return &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// Hash returns the hash of a password.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.running.Acquire(ctx, 1); err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	defer h.running.Release(1)
	hash, err := argon2id.CreateHash(password, parameters())
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// Matches reports whether a password matches a hash. Without a hash it takes as long, so that
// the time doesn't reveal which names exist.
func (h *Hasher) Matches(ctx context.Context, password, hash string) (bool, error) {
	if err := h.running.Acquire(ctx, 1); err != nil {
		return false, fmt.Errorf("compare a password: %w", err)
	}
	defer h.running.Release(1)
	known := hash != ""
	if !known {
		hash = h.nobody()
	}
	if utf8.RuneCountInString(password) > longest {
		password, known = "", false
	}
	same, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare a password: %w", err)
	}
	return same && known, nil
}
