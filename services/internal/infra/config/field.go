package config

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

const (
	envPrefix     = "CHORUS_"
	originDefault = "default"
	separator     = "."
	mask          = schema.Hidden
)

// field is one key of a section.
type field struct {
	schema.Field

	section string
	// path is the section and the key: sender.short_wait.
	path string
	// value is the field of the struct. initial is its default.
	value   reflect.Value
	initial reflect.Value
	origin  string
}

func (f *field) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.path, separator, "_"))
}

// flag returns the flag's name without dashes; "" if there is none.
func (f *field) flag() string {
	if f.Kind == schema.Secret {
		return ""
	}
	return strings.ReplaceAll(f.path, "_", "-")
}

// hidden reports whether the value must be masked. A reference may be shown.
func (f *field) hidden() bool { return f.Secret && f.Kind != schema.Ref }

// ways describes how the field can be set.
func (f *field) ways() string {
	if f.flag() == "" {
		return fmt.Sprintf("set %s, or %s in the configuration file", f.env(), f.path)
	}
	return fmt.Sprintf("set --%s, %s, or %s in the configuration file", f.flag(), f.env(), f.path)
}

func collect(section, prefix string, s *schema.Schema, v reflect.Value) []*field {
	var fields []*field
	for _, described := range s.Fields {
		path, at := prefix+separator+described.Name, described.In(v)
		if described.Kind == schema.Struct {
			fields = append(fields, collect(section, path, described.Struct, at)...)
			continue
		}
		initial := reflect.New(at.Type()).Elem()
		initial.Set(at)
		fields = append(fields, &field{
			Field: described, section: section, path: path, value: at, initial: initial, origin: originDefault,
		})
	}
	return fields
}

// shown returns the value, masked if it is hidden.
func (f *field) shown(v reflect.Value) string {
	text := schema.Format(v)
	if f.hidden() && f.Kind != schema.Secret {
		return maskURLs(text)
	}
	return text
}

// revealed returns the unmasked value.
func (f *field) revealed() string {
	if s, ok := reflect.TypeAssert[secret.String](f.value); ok {
		return s.Reveal()
	}
	return schema.Format(f.value)
}

// maskURLs masks the credentials in URLs separated by commas. Any other text is masked
// completely.
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
			// NATS takes a user without a password for a token.
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
