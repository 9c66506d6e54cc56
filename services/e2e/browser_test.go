package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/lab/debian"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	// browserDir contains the browser's program and the library that controls the browser.
	browserDir = "../console/smoke"
	// browserPatience limits the download of the browser and its library, once for a
	// machine.
	browserPatience = 5 * time.Minute
	// browserAllowed limits the time of all the browser's steps.
	browserAllowed = 5 * time.Minute
)

// browserSteps returns the steps of the browser, as it prints them when they are done.
func browserSteps() []string {
	return []string{
		"nothing without the link", "made an account by the link", "the link works once", "logged in with a code", "logged in with a passkey",
		"watched a chat", "explained a line", "had a bot speak at once", "approved an edited draft", "replayed a dead letter", "muted a bot and let it speak again",
		"edited a persona and took it back", "found settings", "erased a person", "saw the other pages",
	}
}

// A person uses the console of a demo that requires a login, in Chromium.
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
	demo := lockedDemo(t)
	var done []string
	env := []string{"CONSOLE=" + demo.console, "LINK=" + demo.link, fmt.Sprint("PERSON=", demo.person)}
	browse(t, node, modules, env, func(line string) {
		if done = append(done, line); line == "approved an edited draft" {
			demo.letDie(t)
		}
	})
	if diff := cmp.Diff(browserSteps(), done); diff != "" {
		t.Errorf("what the browser did (-want +got): %s", diff)
	}
}

// demo is a chorus up whose console requires a login.
type demo struct {
	*chorus

	// console is the console's address, and link the one with which its first owner joins.
	console, link string
	person        int64 // Telegram's id of a person who has written
	pool          *pgxpool.Pool
}

func lockedDemo(t *testing.T) demo {
	t.Helper()
	port, database := free(t), testenv.Postgres(t)
	d := demo{console: "http://localhost:" + port}
	d.chorus = up(t, t.TempDir(), "--cast", absolute(t, bookClub), "--console.listen", "127.0.0.1:"+port,
		"--console.open=false", "--planner.pace", "2s", "--database.url", database,
		// A replayed turn must not wait longer than the browser, however often calls failed
		// before.
		"--sender.breaker-delay", "1s")
	joins := regexp.MustCompile(`http://localhost:\d+/join#[-_A-Za-z0-9]+`)
	eventually(t, "the console tells its link", func() bool {
		d.link = joins.FindString(d.errs.String())
		return d.link != ""
	})
	var err error
	if d.pool, err = pgxpool.New(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.pool.Close)
	chats, err := d.emulator().Chats(t.Context())
	if err != nil || len(chats) == 0 {
		t.Fatalf("the emulator has the chats %v: %v", chats, err)
	}
	said, err := d.emulator().Say(t.Context(), chats[0].ID, control.Saying{Name: "Tom", Text: "I once lost a book on a ferry."})
	if err != nil {
		t.Fatal(err)
	}
	d.person = said.From.ID
	return d
}

// letDie makes a delivery fail until it is dead.
func (d demo) letDie(t *testing.T) {
	t.Helper()
	busy := control.Fault{ID: "busy", Method: sendMessage, Kind: fault.Status, Status: http.StatusConflict}
	if _, err := d.emulator().SetFaults(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a turn is dead", func() bool {
		// One failed attempt is raised to nineteen.
		if _, err := d.pool.Exec(t.Context(), `UPDATE deliveries SET attempts = 19 WHERE lane = 'message' AND state = 'waiting' AND attempts > 0`); err != nil {
			t.Fatal(err)
		}
		var dead bool
		if err := d.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM turns WHERE outcome = 'dead')`).Scan(&dead); err != nil {
			t.Fatal(err)
		}
		return dead
	})
	if _, err := d.emulator().SetFaults(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// free returns a port that nobody listens on.
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

// browse runs the browser's program and passes on each line that it prints.
func browse(t *testing.T, node, modules string, env []string, say func(string)) {
	t.Helper()
	// The library is found relative to the program, so both are put into one folder.
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
