package smoke_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/debian"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	// patience bounds getting the browser and its library, once for a machine.
	patience = 5 * time.Minute
	// allowed is how long all that the browser does may take.
	allowed = 3 * time.Minute
	// chorusVariable makes of this test binary the program chorus, with its arguments.
	chorusVariable = "SMOKE_IS_CHORUS"
)

func TestMain(m *testing.M) {
	if os.Getenv(chorusVariable) != "" {
		os.Exit(run.Main(os.Stderr, "chorus", func(ctx context.Context) error {
			return command.New().ExecuteContext(ctx)
		}))
	}
	goleak.VerifyTestMain(m)
}

// steps are what the browser does, as it says when each is done.
func steps() []string {
	return []string{
		"nothing without the link", "made an account by the link", "the link works once", "logged in with a code", "logged in with a passkey",
		"watched a chat", "explained a line", "had a bot speak at once", "muted a bot and let it speak again",
		"edited a persona and took it back", "erased a person", "saw the other pages",
	}
}

// A person uses the console of a demo that asks for a login, in Chromium.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	node, modules, err := testenv.Node(ctx, ".")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		if err := debian.Install(ctx, "chromium"); err != nil {
			t.Fatalf("this test needs Chromium: %v", err)
		}
	}
	console, link, emulated := demo(t)
	person := speak(t, emulated)
	var done []string
	browse(t, node, modules, []string{"CONSOLE=" + console, "LINK=" + link, fmt.Sprint("PERSON=", person)}, func(line string) { done = append(done, line) })
	if !slices.Equal(done, steps()) {
		t.Errorf("the browser did %q, want %q", done, steps())
	}
}

// speak lets a person say something in the emulated group, and returns their Telegram id.
func speak(t *testing.T, emulated string) int64 {
	t.Helper()
	emulator, err := control.New(emulated)
	if err != nil {
		t.Fatal(err)
	}
	defer emulator.Close()
	chats, err := emulator.Chats(t.Context())
	if err != nil || len(chats) == 0 {
		t.Fatalf("the emulator has the chats %v: %v", chats, err)
	}
	said, err := emulator.Say(t.Context(), chats[0].ID, control.Saying{Name: "Tom", Text: "I once lost a book on a ferry."})
	if err != nil {
		t.Fatal(err)
	}
	return said.From.ID
}

// demo starts a demo and returns where its console and its emulator are, and the link for
// the console's first owner.
func demo(t *testing.T) (console, link, emulated string) {
	t.Helper()
	dir := t.TempDir()
	port := free(t)
	said := &lines{}
	cmd := exec.Command(os.Args[0], "up", "--up.dir", filepath.Join(dir, "state"), "--cast", filepath.Join("..", "..", "..", "deploy", "examples", "book-club.yaml"),
		"--console.listen", "127.0.0.1:"+port, "--console.public-url", "http://localhost:"+port, "--console.open=false",
		"--emulator.listen", "127.0.0.1:0", "--ops.listen", "127.0.0.1:0", "--planner.pace", "2s", "--log.level", "info")
	cmd.Env = append(os.Environ(), chorusVariable+"=1")
	cmd.Stdout, cmd.Stderr = said, said
	process, err := child.Start(cmd, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Stop(10 * time.Second)
		if t.Failed() {
			t.Log(said.String())
		}
	})
	joins := regexp.MustCompile(`http://localhost:\d+/join#\S+[A-Za-z0-9]`)
	watches := regexp.MustCompile(`Watch the chat at (\S+)/ `)
	testenv.Eventually(t, "the demo tells where it is", func() (string, bool) {
		link = joins.FindString(said.String())
		if found := watches.FindStringSubmatch(said.String()); found != nil {
			emulated = found[1]
		}
		return said.String(), link != "" && emulated != ""
	})
	return "http://localhost:" + port, link, emulated
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
	program, err := os.ReadFile("console.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "console.mjs"), program, 0o600), os.Symlink(modules, filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), allowed)
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

// lines are what a process says.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprint(l.text.String())
}
