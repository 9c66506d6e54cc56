package casting

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Terminal asks questions on a terminal. It is nil if in is none, which is what
// Options.Confirm wants. Only y and yes mean yes. A question that is left
// unanswered when ctx ends leaves its reader waiting for the next line.
func Terminal(in *os.File, out io.Writer) func(ctx context.Context, question string) (bool, error) {
	if !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return func(ctx context.Context, question string) (bool, error) { return ask(ctx, in, out, question) }
}

func ask(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	if _, err := fmt.Fprint(out, question+" [y/N] "); err != nil {
		return false, fmt.Errorf("ask: %w", err)
	}
	answers := make(chan string, 1)
	go func() { // a read from a terminal can't be cancelled: it ends with the process
		line, _ := bufio.NewReader(in).ReadString('\n')
		answers <- line
	}()
	select {
	case answer := <-answers:
		answer = strings.ToLower(strings.TrimSpace(answer))
		return answer == "y" || answer == "yes", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
