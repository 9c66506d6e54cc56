package bus

import "testing"

func TestErrorsShowNoCredentials(t *testing.T) {
	for servers, want := range map[string]string{
		"nats://127.0.0.1:4222":                         "nats://127.0.0.1:4222",
		"nats://ada:secret@a:4222, nats://token@b:4222": "nats://ada:xxxxx@a:4222,nats://xxxxx@b:4222",
	} {
		if got := redact(servers); got != want {
			t.Errorf("%s is shown as %s, want %s", servers, got, want)
		}
	}
}
