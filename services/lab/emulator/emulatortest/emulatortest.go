// Package emulatortest runs an emulator for a test.
package emulatortest

import (
	"context"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// Start runs an emulator on a free port until the end of the test. It is in
// memory, and flood control refuses at once what comes too early, unless change
// says otherwise.
func Start(t testing.TB, change ...func(*emulator.Config)) *emulator.Emulator {
	t.Helper()
	e, stop := Run(t, change...)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop the emulator: %v", err)
		}
	})
	return e
}

// Run is Start for a test that stops the emulator itself; stop waits for it.
func Run(t testing.TB, change ...func(*emulator.Config)) (e *emulator.Emulator, stop func() error) {
	t.Helper()
	cfg := emulator.DefaultConfig()
	cfg.Listen, cfg.SilentWait = "127.0.0.1:0", 0
	for _, c := range change {
		c(&cfg)
	}
	e, err := emulator.New(cfg, testenv.Logger(t))
	if err != nil {
		t.Fatalf("make the emulator: %v", err)
	}
	if err := e.Listen(); err != nil {
		t.Fatalf("start the emulator: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return e, func() error {
		cancel()
		return <-ended
	}
}
