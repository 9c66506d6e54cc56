package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// files returns the files of a folder, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range found {
		all[f.Name()] = read(t, filepath.Join(dir, f.Name()))
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v (%v), want that others can't read it", f.Name(), info.Mode(), err)
		}
	}
	return all
}

func TestSecretsAreMadeOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func() map[string]string {
		output(t, "secrets", "--dir", dir, "--database", "postgres://chorus@db:5432/chorus?sslmode=require")
		return files(t, dir)
	}
	first := run()
	if len(first) != 4 {
		t.Errorf("it made %d files, want 4", len(first))
	}
	password := strings.TrimSpace(first["database_password"])
	const shortest = 20
	if len(password) < shortest || len(strings.TrimSpace(first["metrics_token"])) < shortest {
		t.Error("a secret is too short")
	}
	if want := "postgres://chorus:" + password + "@db:5432/chorus?sslmode=require\n"; first["database_url"] != want {
		t.Errorf("the database's address is not that of its password")
	}
	if diff := cmp.Diff(first, run()); diff != "" {
		t.Errorf("a second run changes them: %s", diff)
	}
	if err := os.Remove(filepath.Join(dir, "database_url")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, run()); diff != "" {
		t.Errorf("what is missing is not made of what is there: %s", diff)
	}
}

func TestTheDatabasesAddressIsSharedWithoutTheKeys(t *testing.T) {
	t.Parallel()
	dir, share := t.TempDir(), t.TempDir()
	run := func() map[string]string {
		output(t, "secrets", "--dir", dir, "--database-dir", share)
		return files(t, share)
	}
	all := run()
	want := map[string]string{"database_url": read(t, filepath.Join(dir, "database_url")), "database_password": read(t, filepath.Join(dir, "database_password"))}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("what is shared: %s", diff)
	}
	// A changed address is copied, too.
	want["database_url"] = "postgres://elsewhere/chorus\n"
	if err := os.WriteFile(filepath.Join(dir, "database_url"), []byte(want["database_url"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, run()); diff != "" {
		t.Errorf("after a change: %s", diff)
	}
}
