package child_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/child"
)

// ownerVariable makes the test binary start a program and wait to be killed.
const ownerVariable = "CHORUS_TEST_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		own()
	}
	goleak.VerifyTestMain(m)
}

func own() {
	p, err := child.Start(exec.Command("sleep", "600"), syscall.SIGKILL)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.Pid())
	select {}
}

func TestStopEndsTheProgram(t *testing.T) {
	p, err := child.Start(exec.Command("sleep", "600"), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("error while it runs: %v", err)
	}
	for range 2 {
		if err := p.Stop(time.Minute, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	<-p.Done()
	if _, signalled := errors.AsType[*exec.ExitError](p.Err()); !signalled {
		t.Errorf("ended with %v, want the signal", p.Err())
	}
}

func TestStopKillsWhatIgnoresSignals(t *testing.T) {
	cmd := exec.Command("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 600; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(10*time.Millisecond, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL) // the shell's own sleep
}

func TestStartReportsAMissingProgram(t *testing.T) {
	if _, err := child.Start(exec.Command("/nonexistent/program"), syscall.SIGKILL); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want a missing file", err)
	}
}

func TestProgramDiesWithAKilledOwner(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	owner := exec.Command(exe)
	owner.Env = append(os.Environ(), ownerVariable+"=1")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the owner says %q", line)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the program outlived its owner")
		}
	}
}

// alive is false for a zombie, which waits for init only.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	return !strings.Contains(string(stat), ") Z ")
}
