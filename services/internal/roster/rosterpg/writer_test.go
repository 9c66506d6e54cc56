package rosterpg_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNobodyElseWritesTheRoster searches the code of other packages for statements that write bots,
// chats or casts.
func TestNobodyElseWritesTheRoster(t *testing.T) {
	t.Parallel()
	writes := regexp.MustCompile(`(?i)\b(UPDATE|INSERT INTO|DELETE FROM|TRUNCATE)\s+(bots|chats|cast_members)\b.*`)
	found := 0
	services := filepath.Join("..", "..", "..")
	err := filepath.WalkDir(services, func(path string, _ fs.DirEntry, err error) error {
		in, _ := filepath.Rel(services, filepath.Dir(path))
		switch {
		case err != nil:
			return err
		case !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"), strings.HasSuffix(in, "test"), strings.HasPrefix(in, "lab"):
			return nil
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, sql := range writes.FindAllString(string(code), -1) {
			switch {
			case in == filepath.Join("internal", "roster", "rosterpg"):
				found++
			case in == filepath.Join("internal", "memory") && strings.HasPrefix(sql, "UPDATE chats c SET remember_at = "): // its clock
			default:
				t.Errorf("%s writes the roster: %s", path, sql)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 20 {
		t.Errorf("only %d statements of rosterpg were found", found)
	}
}
