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

// Terminal returns a function that asks questions on a terminal, for Options.Confirm; nil if in is
// no terminal. Only y and yes mean yes. If ctx ends before the answer, its reader keeps waiting for
// the next line.
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
