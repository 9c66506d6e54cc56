package secret_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("alice", "\n "+token+" \r\n", 0o600)
	write("open", token, 0o644)
	write("empty", " \n", 0o600)
	write("long", strings.Repeat("x", 65<<10), 0o600)
	env := map[string]string{"ALICE": " " + token + "\n", "NOTHING": ""}

	for name, c := range map[string]struct {
		ref           secret.Ref
		err, warnings string
	}{
		"env":              {ref: secret.Ref{Env: "ALICE"}},
		"env not set":      {ref: secret.Ref{Env: "BOB"}, err: "the environment variable BOB is not set"},
		"env empty":        {ref: secret.Ref{Env: "NOTHING"}, err: "the environment variable NOTHING is empty"},
		"token as env":     {ref: secret.Ref{Env: token}, err: "is no name of an environment variable"},
		"file":             {ref: secret.Ref{File: "alice"}},
		"absolute file":    {ref: secret.Ref{File: filepath.Join(dir, "alice")}},
		"file for all":     {ref: secret.Ref{File: "open"}, warnings: "chmod o-r"},
		"file missing":     {ref: secret.Ref{File: "bob"}, err: "no such file"},
		"file empty":       {ref: secret.Ref{File: "empty"}, err: "is empty"},
		"file too long":    {ref: secret.Ref{File: "long"}, err: "too long for a secret"},
		"file is a folder": {ref: secret.Ref{File: dir}, err: "is a folder"},
		"token as file":    {ref: secret.Ref{File: token}, err: "looks like a bot token"},
		"both":             {ref: secret.Ref{Env: "ALICE", File: "alice"}, err: "names both"},
		"neither":          {err: "give {env: NAME} or {file: PATH}"},
	} {
		t.Run(name, func(t *testing.T) {
			var warnings []string
			r := secret.Resolver{
				LookupEnv: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
				Dir:       dir,
				Warn:      func(w string) { warnings = append(warnings, w) },
			}
			got, err := r.Resolve(c.ref)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), token) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || got.Reveal() != token {
				t.Errorf("got %q, %v", got.Reveal(), err)
			}
			if all := strings.Join(warnings, "\n"); !strings.Contains(all, c.warnings) || (c.warnings == "") != (all == "") {
				t.Errorf("warned %q, want %q", all, c.warnings)
			}
		})
	}
}

func TestResolveLooksInTheEnvironment(t *testing.T) {
	t.Setenv("CHORUS_TEST_TOKEN", token)
	got, err := secret.Resolve(secret.Ref{Env: "CHORUS_TEST_TOKEN"})
	if err != nil || got.Reveal() != token {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
}
