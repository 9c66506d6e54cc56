package verify_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The services are replaced after the schema is there, and not at all where it can't
// be brought there.
func TestUpgradeReplacesServicesAfterTheSchema(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environment []string
		fails       string
		want        []string
	}{
		"built here":              {nil, "", []string{"build secrets", "run secrets", "run migrate", "up --detach --scale sender=4"}},
		"an image from elsewhere": {[]string{"CHORUS_IMAGE=registry/chorus:2"}, "", []string{"pull --quiet secrets", "run secrets", "run migrate", "up --detach --scale sender=4"}},
		"a migration that fails":  {nil, "migrate", []string{"build secrets", "run secrets", "run migrate"}},
		"an image that fails":     {nil, "build", []string{"build secrets"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := filepath.Join(dir, "log")
			docker := "#!/bin/sh\nshift\necho \"$*\" >>" + log + "\ncase \"$*\" in *$FAILS*) [ -z \"$FAILS\" ] || exit 3 ;; esac\n"
			if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(docker), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "../scripts/upgrade-compose", "--scale", "sender=4")
			cmd.Env = append(append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "FAILS="+test.fails, "CHORUS_IMAGE="), test.environment...)
			if out, err := cmd.CombinedOutput(); (err != nil) != (test.fails != "") {
				t.Errorf("it ends with %v\n%s", err, out)
			}
			text, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			asked := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "run --rm --no-deps -T ", "run ")), "\n")
			if !slices.Equal(asked, test.want) {
				t.Errorf("docker compose was asked for %q, want %q", asked, test.want)
			}
		})
	}
}
