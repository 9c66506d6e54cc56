package secret_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

func encoded(fill byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, secret.KeySize))
}

func ring(t testing.TB, keys string) secret.Keyring {
	t.Helper()
	r, err := secret.ParseKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealRoundTrip(t *testing.T) {
	keys := ring(t, "k2:"+encoded(2)+",k1:"+encoded(1))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		row := rapid.SliceOf(rapid.Byte()).Draw(t, "row")
		sealed, err := keys.Seal(text, row)
		if err != nil {
			t.Fatal(err)
		}
		got, err := keys.Open(sealed, row)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("opened %x, %v", got, err)
		}
		if len(text) >= 8 && bytes.Contains(sealed, text) {
			t.Fatal("the text stands in the sealed value")
		}
		if again, _ := keys.Seal(text, row); bytes.Equal(again, sealed) {
			t.Fatal("sealed twice to the same bytes")
		}
		other := rapid.SliceOf(rapid.Byte()).Filter(func(b []byte) bool { return !bytes.Equal(b, row) }).Draw(t, "other")
		if _, err := keys.Open(sealed, other); !errors.Is(err, secret.ErrTampered) {
			t.Fatalf("opened in another row: %v", err)
		}
	})
}

func TestOpenFindsEveryChangedByte(t *testing.T) {
	keys := ring(t, "k1:"+encoded(1))
	sealed, err := keys.Seal([]byte(token), []byte("bot 7"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if text, err := keys.Open(changed, []byte("bot 7")); err == nil {
			t.Errorf("byte %d changed, and opened to %q", i, text)
		}
		if _, err := keys.Open(sealed[:i], []byte("bot 7")); err == nil {
			t.Errorf("opened the first %d bytes", i)
		}
	}
}

// Bytes can't be moved between header and additional data.
func TestHeaderIsBound(t *testing.T) {
	same := encoded(1)
	sealed, err := ring(t, "k1:"+same).Seal([]byte("x"), []byte("row"))
	if err != nil {
		t.Fatal(err)
	}
	renamed := append([]byte{sealed[0], 1, 'k'}, sealed[4:]...)
	if _, err := ring(t, "k:"+same).Open(renamed, []byte("1row")); !errors.Is(err, secret.ErrTampered) {
		t.Errorf("opened under another key id: %v", err)
	}
}

func TestRotation(t *testing.T) {
	old, next := "old:"+encoded(1), "new:"+encoded(2)
	sealed, err := ring(t, old).Seal([]byte(token), []byte("7"))
	if err != nil {
		t.Fatal(err)
	}
	both := ring(t, next+"\n"+old)
	text, err := both.Open(sealed, []byte("7"))
	if err != nil || string(text) != token {
		t.Fatalf("opened %q, %v", text, err)
	}
	if !both.Stale(sealed) || ring(t, old).Stale(sealed) {
		t.Error("Stale does not tell the old key from the new one")
	}
	again, err := both.Seal(text, []byte("7"))
	if err != nil || both.Stale(again) {
		t.Fatalf("sealed again with the old key, %v", err)
	}
	_, err = ring(t, next).Open(sealed, []byte("7"))
	if !errors.Is(err, secret.ErrNoKey) || !strings.Contains(err.Error(), `"old"`) {
		t.Errorf("the error does not name the missing key: %v", err)
	}
	_, err = ring(t, "old:"+encoded(3)).Open(sealed, []byte("7"))
	if !errors.Is(err, secret.ErrTampered) || !strings.Contains(err.Error(), `"old"`) {
		t.Errorf("the error does not name the wrong key: %v", err)
	}
}

func TestParseKeys(t *testing.T) {
	good, zeros := encoded(7), base64.StdEncoding.EncodeToString(make([]byte, secret.KeySize))
	for name, c := range map[string]struct{ in, want string }{
		"none":        {" , ", "there is no key"},
		"short":       {"a:AAAA", "key 1: is 3 bytes long"},
		"no base64":   {"a:" + good + " b:!!!!", "key 2: is no base64"},
		"bad id":      {"A b:" + good, "key 1"},
		"upper id":    {"Key:" + good, "its id is not made of"},
		"long id":     {strings.Repeat("a", 33) + ":" + good, "its id is not made of"},
		"twice":       {"a:" + good + ",a:" + encoded(8), `another key with the id "a"`},
		"same key":    {good + "," + good, "another key with the id"},
		"all zeros":   {zeros, "all zeros"},
		"empty value": {"a:", "is 0 bytes long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := secret.ParseKeys(c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), good) {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
	url := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, secret.KeySize))
	if got := ring(t, "a:"+url+" "+good).Keys(); len(got) != 2 || got[0].ID() != "a" || len(got[1].ID()) != 8 {
		t.Errorf("keys are %v", got)
	}
}

func TestKeysAreNeverShown(t *testing.T) {
	keys := ring(t, "k1:"+encoded(1))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{keys, &keys, keys.Keys(), keys.Keys()[0], struct{ r secret.Keyring }{keys}} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, encoded(1)[:8]) || strings.Contains(text, "1 1 1 1") ||
				strings.Contains(text, "01010101") || strings.Contains(text, "0x1, 0x1") {
				t.Errorf("%s of %T shows the key: %s", verb, v, text)
			}
		}
	}
}

func TestEmptyKeyring(t *testing.T) {
	var none secret.Keyring
	if _, err := none.Seal([]byte("x"), nil); !errors.Is(err, secret.ErrNoKey) {
		t.Errorf("Seal: %v", err)
	}
	for _, sealed := range [][]byte{nil, {1}, {9, 0}, {1, 200, 'a'}, bytes.Repeat([]byte{1}, 64)} {
		if _, err := none.Open(sealed, nil); !errors.Is(err, secret.ErrMalformed) {
			t.Errorf("Open(%x): %v", sealed, err)
		}
	}
}

func TestKeyFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "keys")
	sealed := make([][]byte, 8)
	var group sync.WaitGroup
	for i := range sealed {
		group.Go(func() {
			keys, err := secret.LoadOrCreateKeyFile(path)
			if err != nil {
				t.Error(err)
				return
			}
			if sealed[i], err = keys.Seal([]byte(token), nil); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	keys, err := secret.LoadOrCreateKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		if text, err := keys.Open(sealed[i], nil); err != nil || string(text) != token {
			t.Errorf("process %d had another key: %v", i, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files were left over: %v", left)
	}
}

func TestKeyFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("k1:"+encoded(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.LoadOrCreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.LoadOrCreateKeyFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read: %v", err)
	}
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.LoadOrCreateKeyFile(path); err == nil || !strings.Contains(err.Error(), "there is no key") {
		t.Errorf("an empty file: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	keys := ring(f, "k1:"+encoded(1))
	sealed, err := keys.Seal([]byte(token), []byte("7"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{1, 2, 'k', '1'})
	f.Fuzz(func(t *testing.T, in []byte) {
		// Other processes of the fuzzer seal the same text to other bytes: that is no forgery.
		if text, err := keys.Open(in, []byte("7")); err == nil && string(text) != token {
			t.Errorf("opened a forgery: %x", in)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add("a:" + encoded(1) + "," + encoded(2))
	f.Add("a:b:c")
	f.Fuzz(func(t *testing.T, in string) {
		keys, err := secret.ParseKeys(in)
		if err != nil {
			return
		}
		var texts []string
		for _, k := range keys.Keys() {
			texts = append(texts, k.Reveal())
		}
		if _, err := secret.ParseKeys(strings.Join(texts, "\n")); err != nil {
			t.Errorf("what Reveal wrote can't be read: %v", err)
		}
	})
}
