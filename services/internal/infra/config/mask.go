package config

import (
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

const mask = "***"

// shown is the value as anyone may see it.
func (f *field) shown() string { return f.show(f.value) }

func (f *field) show(v reflect.Value) string {
	k, _ := kindOf(v.Type())
	text := k.text(v.Interface())
	if f.hidden && v.Type() != reflect.TypeFor[secret.String]() {
		return maskURLs(text)
	}
	return text
}

// maskURLs hides the credentials in URLs separated by commas, and all of a text
// that is anything else.
func maskURLs(text string) string {
	if text == "" {
		return ""
	}
	masked := strings.Split(text, ",")
	for i, part := range masked {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil || u.Scheme == "" || u.Host == "" {
			return mask
		}
		masked[i] = maskURL(u)
	}
	return strings.Join(masked, ",")
}

func maskURL(u *url.URL) string {
	credentials := ""
	if u.User != nil {
		credentials = u.User.Username()
		switch _, hasPassword := u.User.Password(); {
		case hasPassword:
			credentials += ":" + mask
		case !strings.HasPrefix(u.Scheme, "postgres"):
			// A user without a password is a token for NATS.
			credentials = mask
		}
		credentials += "@"
	}
	rest := u.EscapedPath()
	if u.RawQuery != "" {
		rest += "?" + regexp.MustCompile(`(?i)([^&=]*(?:pass|token|secret|key|auth)[^&=]*=)[^&]*`).
			ReplaceAllString(u.RawQuery, "${1}"+mask)
	}
	return u.Scheme + "://" + credentials + u.Host + rest
}

// revealed is the value itself.
func (f *field) revealed() string {
	if s, ok := reflect.TypeAssert[secret.String](f.value); ok {
		return s.Reveal()
	}
	k, _ := kindOf(f.value.Type())
	return k.text(f.value.Interface())
}
