package verify_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// promtool is Prometheus' own checker; the script finds or gets it.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.CommandContext(t.Context(), "../scripts/promtool").Output()
	if err != nil {
		said := (*exec.ExitError)(nil)
		if !errors.As(err, &said) {
			said = &exec.ExitError{}
		}
		t.Fatalf("this test needs promtool, which isn't installed and can't be got (apt-get install prometheus): %v %s", err, said.Stderr)
	}
	return strings.TrimSpace(string(path))
}

func TestPrometheusTakesItsFiles(t *testing.T) {
	t.Parallel()
	program := promtool(t)
	for _, args := range [][]string{
		{"check", "rules", "../prometheus/alerts.yaml"},
		{"check", "config", "../prometheus/prometheus.yml"},
		{"test", "rules", "../prometheus/alerts.test.yaml"},
	} {
		if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
