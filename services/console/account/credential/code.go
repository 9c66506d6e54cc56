package credential

import (
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// An authenticator shows a code of six digits for half a minute. One before and one after
// is taken, too: clocks differ, and people type slowly.
const (
	step = 30
	skew = 1
)

// Authenticator holds the secret for an app that shows codes.
type Authenticator struct{ key *otp.Key }

// NewAuthenticator makes a new secret for a user of a console at host.
func NewAuthenticator(host, name string) (Authenticator, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Chorus " + host, AccountName: name, SecretSize: 20})
	if err != nil {
		return Authenticator{}, fmt.Errorf("make a secret for codes: %w", err)
	}
	return Authenticator{key}, nil
}

// ReadAuthenticator reads what URL gave.
func ReadAuthenticator(url string) (Authenticator, error) {
	key, err := otp.NewKeyFromURL(url)
	if err != nil {
		return Authenticator{}, fmt.Errorf("read a secret for codes: %w", err)
	}
	return Authenticator{key}, nil
}

// URL returns the content of the QR code.
func (a Authenticator) URL() string { return a.key.URL() }

// Secret returns the text to type where there is no camera.
func (a Authenticator) Secret() string { return a.key.Secret() }

// Path is the QR code as an SVG path with modules of size 1, and how wide it is with its
// margin.
func (a Authenticator) Path() (path string, size int, err error) {
	const margin = 4
	code, err := qr.Encode(a.key.URL(), qr.M, qr.Auto)
	if err != nil {
		return "", 0, fmt.Errorf("draw the QR code: %w", err)
	}
	size = code.Bounds().Dx()
	var squares strings.Builder
	for y := range size {
		for x := range size {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				fmt.Fprintf(&squares, "M%d %dh1v1h-1z", x+margin, y+margin)
			}
		}
	}
	return squares.String(), size + 2*margin, nil
}

// Step finds for which time step after the last one used a code stands; 0 for none.
func Step(secret, code string, used int64, now time.Time) int64 {
	if _, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret); err != nil {
		return 0
	}
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	found := int64(0)
	for at := now.Unix()/step - skew; at <= now.Unix()/step+skew; at++ {
		want, err := hotp.GenerateCode(secret, uint64(at)) //nolint:gosec // not before 1970
		if err == nil && at > used && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = at
		}
	}
	return found
}
