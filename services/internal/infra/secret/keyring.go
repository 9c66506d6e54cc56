// Package secret handles secrets: texts that print as a mask, keys that encrypt them at
// rest, and references to their sources.
package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A sealed value is: version (1 byte), length of the key id (1 byte), key id, nonce (12
// bytes), ciphertext and tag. The part before the nonce is authenticated together with the
// caller's additional data.
const (
	version  = 1
	overhead = 12 + 16
)

// Errors that Open wraps.
var (
	// ErrNoKey means that the value was sealed with a key that isn't in the ring.
	ErrNoKey = errors.New("the key is missing")
	// ErrTampered means that the value, its key or the additional data differs from what
	// was sealed.
	ErrTampered = errors.New("the content is not what was sealed")
	// ErrMalformed means that the value wasn't created by Seal.
	ErrMalformed = errors.New("this is no sealed value")
)

// Keyring seals with its first key and opens with any of them. ParseKeys and
// LoadOrCreateKeyFile return one; the zero Keyring has no keys. It is safe for concurrent
// use.
type Keyring struct{ keys []Key }

// Seal encrypts and authenticates a text together with additional data, which is not
// stored. Pass the id of the row with the sealed value as additional data, so that values
// can't be swapped between rows. Two calls never return the same bytes. A key is safe for
// four billion calls.
func (r Keyring) Seal(plaintext, additional []byte) ([]byte, error) {
	if len(r.keys) == 0 {
		return nil, fmt.Errorf("seal: %w", ErrNoKey)
	}
	k := r.keys[0]
	sealed := make([]byte, 0, 2+len(k.id)+overhead+len(plaintext))
	sealed = append(sealed, version, byte(len(k.id))) //nolint:gosec // at most 32
	sealed = append(sealed, k.id...)
	//nolint:gosec // the cipher draws a nonce of its own and puts it first
	return k.material().aead.Seal(sealed, nil, plaintext, bind(sealed, additional)), nil
}

// Open returns the text that was sealed. Its errors wrap ErrNoKey, ErrTampered or
// ErrMalformed. They name the key and never the content.
func (r Keyring) Open(sealed, additional []byte) ([]byte, error) {
	id, header, err := split(sealed)
	if err != nil {
		return nil, err
	}
	k, found := r.find(id)
	if !found {
		return nil, fmt.Errorf("open what was sealed with key %q: %w", id, ErrNoKey)
	}
	text, err := k.material().aead.Open(nil, nil, sealed[len(header):], bind(header, additional))
	if err != nil {
		return nil, fmt.Errorf("open what was sealed with key %q: %w", id, ErrTampered)
	}
	return text, nil
}

// Stale reports whether a value was sealed with another key than the first one, so that a
// rotation knows what to seal again.
func (r Keyring) Stale(sealed []byte) bool {
	id, _, err := split(sealed)
	return err != nil || len(r.keys) == 0 || id != r.keys[0].id
}

// KeyOf returns the id of the key that a value was sealed with; "unreadable" if it isn't a
// sealed value.
func KeyOf(sealed []byte) string {
	id, _, err := split(sealed)
	if err != nil {
		return "unreadable"
	}
	return id
}

// Keys returns the keys in order; the first one seals.
func (r Keyring) Keys() []Key { return append([]Key(nil), r.keys...) }

func (r Keyring) find(id string) (Key, bool) {
	for _, k := range r.keys {
		if k.id == id {
			return k, true
		}
	}
	return Key{}, false
}

// split parses the header of a sealed value.
func split(sealed []byte) (id string, header []byte, err error) {
	if len(sealed) < 2 {
		return "", nil, fmt.Errorf("%w: it is too short", ErrMalformed)
	}
	if sealed[0] != version {
		return "", nil, fmt.Errorf("%w: version %d is unknown", ErrMalformed, sealed[0])
	}
	end := 2 + int(sealed[1])
	if len(sealed) < end+overhead {
		return "", nil, fmt.Errorf("%w: it is too short", ErrMalformed)
	}
	if id = string(sealed[2:end]); !validID(id) {
		return "", nil, fmt.Errorf("%w: it names no key", ErrMalformed)
	}
	return id, sealed[:end], nil
}

// bind joins header and additional data. The header contains its own length, so no two
// pairs join to the same bytes.
func bind(header, additional []byte) []byte {
	return append(append(make([]byte, 0, len(header)+len(additional)), header...), additional...)
}

// LoadOrCreateKeyFile reads the keys in a file, or creates the file with one new key. Only
// its owner may read the file; one that others can read is refused. Two processes that
// create it concurrently get the same key, and a crash leaves no partial file.
func LoadOrCreateKeyFile(path string) (Keyring, error) {
	ring, err := loadKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	key, err := NewKey()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = WriteOnce(path, key.Reveal())
	}
	if err != nil {
		return Keyring{}, fmt.Errorf("create key file %s: %w", path, err)
	}
	return loadKeyFile(path)
}

func loadKeyFile(path string) (Keyring, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Keyring{}, fmt.Errorf("read key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Keyring{}, fmt.Errorf("key file %s can be read by others: chmod 600 %s", path, path)
	}
	text, err := readSmall(path)
	if err != nil {
		return Keyring{}, fmt.Errorf("read key file: %w", err)
	}
	ring, err := ParseKeys(text)
	if err != nil {
		return Keyring{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

// WriteOnce writes a line to a new file that only this user may read; an existing file
// stays. A reader never sees a partial file. The file is hard-linked into place: unlike a
// rename, that never replaces what another process has written.
func WriteOnce(path, line string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	name, err := writeBeside(path, line)
	if err != nil {
		return err
	}
	if err = os.Link(name, path); errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(name))
}

// AddKey puts a new key first in a file, and returns all keys. Whoever reads the file again
// seals with the new key.
func AddKey(path string) (Keyring, error) {
	return changeKeyFile(path, func(keys []Key) ([]Key, error) {
		key, err := NewKey()
		return append([]Key{key}, keys...), err
	})
}

// KeepFirstKey removes all keys but the first from a file.
func KeepFirstKey(path string) (Keyring, error) {
	return changeKeyFile(path, func(keys []Key) ([]Key, error) { return keys[:1], nil })
}

// changeKeyFile replaces a key file as a whole. After an error the file is unchanged.
func changeKeyFile(path string, change func([]Key) ([]Key, error)) (Keyring, error) {
	ring, err := loadKeyFile(path)
	if err != nil {
		return Keyring{}, err
	}
	keys, err := change(ring.keys)
	if err != nil {
		return Keyring{}, err
	}
	lines := make([]string, len(keys))
	for i, k := range keys {
		lines[i] = k.Reveal()
	}
	name, err := writeBeside(path, lines...)
	if err != nil {
		return Keyring{}, fmt.Errorf("change key file %s: %w", path, err)
	}
	if err := os.Rename(name, path); err != nil {
		return Keyring{}, errors.Join(err, os.Remove(name))
	}
	return loadKeyFile(path)
}

// writeBeside writes lines to a new file in the folder of another one, with the same owner:
// the user who changes keys may differ from the one who reads them.
func writeBeside(path string, lines ...string) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // with mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if info, missing := os.Stat(path); missing == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			err = f.Chown(int(owner.Uid), int(owner.Gid))
		}
	}
	_, written := f.WriteString(strings.Join(lines, "\n") + "\n")
	return f.Name(), errors.Join(err, written, f.Sync(), f.Close())
}
