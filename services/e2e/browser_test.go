package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/debian"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	// browserDir has what the browser does, and the library that it is driven by.
	browserDir = "../console/smoke"
	// browserPatience bounds getting the browser and its library, once for a machine.
	browserPatience = 5 * time.Minute
	// browserAllowed is how long all that the browser does may take.
	browserAllowed = 3 * time.Minute
)

// browserSteps are what the browser does, as it says when each is done.
func browserSteps() []string {
	return []string{
		"nothing without the link", "made an account by the link", "the link works once", "logged in with a code", "logged in with a passkey",
		"watched a chat", "explained a line", "had a bot speak at once", "muted a bot and let it speak again",
		"edited a persona and took it back", "erased a person", "saw the other pages",
	}
}

// A person uses the console of a demo that asks for a login, in Chromium.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), browserPatience)
	defer cancel()
	node, modules, err := testenv.Node(ctx, browserDir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		if err := debian.Install(ctx, "chromium"); err != nil {
			t.Fatalf("this test needs Chromium: %v", err)
		}
	}
	console, link, person := lockedDemo(t)
	var done []string
	browse(t, node, modules, []string{"CONSOLE=" + console, "LINK=" + link, fmt.Sprint("PERSON=", person)}, func(line string) { done = append(done, line) })
	if diff := cmp.Diff(browserSteps(), done); diff != "" {
		t.Errorf("what the browser did (-want +got): %s", diff)
	}
}

// lockedDemo starts a demo whose console asks for a login. It returns where that is, the
// link for its first owner, and the Telegram id of a person who has said something.
func lockedDemo(t *testing.T) (console, link string, person int64) {
	t.Helper()
	port := free(t)
	c := up(t, t.TempDir(), "--cast", absolute(t, bookClub), "--console.listen", "127.0.0.1:"+port, "--console.public-url", "http://localhost:"+port,
		"--console.open=false", "--planner.pace", "2s")
	joins := regexp.MustCompile(`http://localhost:\d+/join#[-_A-Za-z0-9]+`)
	eventually(t, "the console tells its link", func() bool {
		link = joins.FindString(c.errs.String())
		return link != ""
	})
	chats, err := c.emulator().Chats(t.Context())
	if err != nil || len(chats) == 0 {
		t.Fatalf("the emulator has the chats %v: %v", chats, err)
	}
	said, err := c.emulator().Say(t.Context(), chats[0].ID, control.Saying{Name: "Tom", Text: "I once lost a book on a ferry."})
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + port, link, said.From.ID
}

// free is a port that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// browse lets a browser do its steps, and gives each line that it says.
func browse(t *testing.T, node, modules string, env []string, say func(string)) {
	t.Helper()
	// The library is found beside the program, so both go to a folder of their own.
	dir := t.TempDir()
	for _, name := range []string{"console.mjs", "look.mjs"} {
		program, err := os.ReadFile(filepath.Join(browserDir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), program, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserAllowed)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "console.mjs")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), append(env, "SHOTS="+os.Getenv("SMOKE_SHOTS"))...)
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for all := bufio.NewScanner(out); all.Scan(); {
		say(all.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the browser: %v: %s", err, strings.TrimSpace(wrong.String()))
	}
}
