package console

import "testing"

// The link that is printed is one at which passkeys work.
func TestURLsHaveANameForPasskeys(t *testing.T) {
	for _, tt := range []struct{ listen, public, want string }{
		{"127.0.0.1:8090", "", "http://localhost:8090"},
		{"[::1]:8090", "", "http://localhost:8090"},
		{"0.0.0.0:80", "", "http://localhost:80"},
		{":8090", "", "http://localhost:8090"},
		{"127.0.0.2:8090", "", "http://127.0.0.2:8090"}, // localhost is another address
		{"192.0.2.1:8090", "", "http://192.0.2.1:8090"},
		{"0.0.0.0:8090", "http://127.0.0.1:8091", "http://localhost:8091"},
		{"0.0.0.0:8090", "http://[::1]", "http://localhost"},
		{"0.0.0.0:8090", "https://chorus.example.org", "https://chorus.example.org"},
	} {
		cfg := DefaultConfig()
		cfg.Listen, cfg.PublicURL = tt.listen, tt.public
		if got := cfg.URL(); got != tt.want {
			t.Errorf("at %s, in public at %q: %s, want %s", tt.listen, tt.public, got, tt.want)
		}
	}
}
