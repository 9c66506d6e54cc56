package deployment_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/load/deployment"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// remote is a deployment that is operated by a shell's program which writes down
// how it was called. The shell reads it: the file itself could not be executed
// while a process that another test starts still holds it open for writing.
func remote(t *testing.T, program string) (r *deployment.Remote, called func() string) {
	t.Helper()
	dir := t.TempDir()
	file, log := filepath.Join(dir, "operate"), filepath.Join(dir, "called")
	if err := os.WriteFile(file, []byte(program+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := deployment.Connect(deployment.RemoteConfig{
		Emulator: "http://127.0.0.1:1", Token: secret.New("token"),
		Metrics: []string{"sender=http://localhost:9464/metrics"}, Operate: "sh " + file + " " + log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, func() string {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestRemoteIsOperatedByAProgram(t *testing.T) {
	t.Parallel()
	r, called := remote(t, `log=$1; shift; echo "$@" >> "$log"`)
	for _, verb := range []scenario.Verb{scenario.Kill, scenario.Start, scenario.Stop, scenario.Pause, scenario.Resume, scenario.Scale} {
		if _, err := r.Operate(t.Context(), verb, "sender", 8); err != nil {
			t.Error(err)
		}
	}
	if got, want := called(), "kill sender\nstart sender\nstop sender\npause sender\nresume sender\nscale sender 8\n"; got != want {
		t.Errorf("the program was called with %q, want %q", got, want)
	}
}

func TestRemoteTellsWhatTheProgramSaid(t *testing.T) {
	t.Parallel()
	r, _ := remote(t, "echo no such service >&2; exit 3")
	if _, err := r.Operate(t.Context(), scenario.Stop, "mailman", 0); err == nil || !strings.Contains(err.Error(), "no such service") {
		t.Errorf("got %v", err)
	}
}

func TestRemoteFindsReplicas(t *testing.T) {
	t.Parallel()
	r, _ := remote(t, "")
	sources := r.Sources()
	if len(sources) == 0 || sources[0].Service != "sender" || sources[0].Token != "token" || !strings.Contains(sources[0].URL, ":9464/metrics") {
		t.Errorf("the sources are %+v", sources)
	}
}

func TestRemoteRefusesWrongMetrics(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"sender", "=http://x/metrics", "sender=nowhere"} {
		_, err := deployment.Connect(deployment.RemoteConfig{Emulator: "http://127.0.0.1:1", Metrics: []string{wrong}})
		if err == nil || !strings.Contains(err.Error(), "want SERVICE=URL") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
