package redisdb_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
)

// Errors of servers of several versions. Errors that a server can be made to return are
// tested with the check, on real servers.
func TestExplain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"WRONGPASS invalid username-password pair or user is disabled.":                                                      "refuses the user or the password",
		"ERR AUTH <password> called without any password configured for the default user. Are you sure?":                     "knows no password",
		"NOAUTH Authentication required.":                                                                                    "wants a password",
		"NOPERM this user has no permissions to run the 'evalsha' command or its subcommand":                                 "may not do all",
		"ERR ACL failure in script: User chorus has no permissions to run the 'set' command script: 0a, on @user_script:22.": "may not do all",
		"ERR The user executing the script can't run this command or subcommand script: 0a, on @user_script:22.":             "may not do all",
		"MOVED 3999 127.0.0.1:6381":                             "node of a Redis cluster",
		"ASK 3999 127.0.0.1:6381":                               "node of a Redis cluster",
		"CROSSSLOT Keys in request don't hash to the same slot": "node of a Redis cluster",
		"READONLY You can't write against a read only replica.": "is a replica",
		"ERR Error running script (call to f_0a): @user_script:22: @user_script: 22: -READONLY You can't write against a replica.": "is a replica",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                                         "lost its primary",
		"LOADING Redis is loading the dataset in memory":                                                                           "still loading",
		"OOM command not allowed when used memory > 'maxmemory'.":                                                                  "memory is full",
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.":                         "can't save",
		"NOREPLICAS Not enough good replicas to write.":                                                                            "too few replicas",
		"BUSY Redis is busy running a script.":                                                                                     "busy",
		"ERR max number of clients reached":                                                                                        "too many clients",
		"DENIED Redis is running in protected mode because protected mode is enabled":                                              "protected mode",
		"ERR unknown command 'EVALSHA', with args beginning with: ":                                                                "switched off",
		"ERR a TASK of an ASKER, and no MOVEDNESS":                                                                                 "ERR a TASK",
	} {
		got := redisdb.Explain(fmt.Errorf("reserve in Redis: %w", errors.New(text)))
		if !strings.Contains(got.Found, want) || got.Remedy == "" {
			t.Errorf("%s: %+v, want %q", text, got, want)
		}
	}
	for err, want := range map[error]string{
		syscall.ECONNREFUSED:           "nothing answers",
		syscall.ECONNRESET:             "closes the connection",
		io.EOF:                         "closes the connection",
		context.DeadlineExceeded:       "in time",
		x509.UnknownAuthorityError{}:   "certificate isn't trusted",
		errors.New("a\nlong\n  story"): "a long story",
	} {
		if got := redisdb.Explain(fmt.Errorf("dial: %w", err)); !strings.Contains(got.Found, want) || got.Remedy == "" {
			t.Errorf("%v: %+v, want %q", err, got, want)
		}
	}
}
