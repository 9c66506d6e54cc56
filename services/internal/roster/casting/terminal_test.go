package casting

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestAskTakesOnlyAYes(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "\tyes ": true, "\n": false, "": false, "yep\n": false, "n\n": false} {
		var out bytes.Buffer
		got, err := ask(t.Context(), strings.NewReader(answer), &out, "Remove it?")
		if err != nil || got != want || out.String() != "Remove it? [y/N] " {
			t.Errorf("%q: %v, %v, asked %q", answer, got, err, out.String())
		}
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	t.Parallel()
	in, answer := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(ctx, in, io.Discard, "?"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := answer.Close(); err != nil { // ends the reader
		t.Error(err)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if Terminal(null, io.Discard) != nil {
		t.Error("would ask " + os.DevNull)
	}
}
