package preflight_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// told runs commands on a Redis server.
func told(t *testing.T, url string, commands ...string) {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer client.Close()
	for _, c := range commands {
		words := strings.Fields(c)
		args := make([]any, len(words))
		for i, w := range words {
			args[i] = w
		}
		if err := client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
	}
}

func as(url, user string) string { return strings.Replace(url, "redis://", "redis://"+user+"@", 1) }

// Redis can be reachable and useless in many ways. The check uses it as the services do, finds each
// fault, and gives its remedy.
func TestRedisThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options  func(t *testing.T) []string
		commands []string
		url      func(url string) string
		found    string // empty if nothing is wrong
		remedy   string
	}{
		"all is well":       {},
		"a wrong password":  {url: func(u string) string { return as(u, "chorus:wrong") }, found: "refuses the user or the password", remedy: "correct the user and the password"},
		"no password given": {commands: []string{"ACL SETUSER default off"}, found: "wants a password", remedy: "put the user and the password"},
		"all rights": {
			commands: []string{"ACL SETUSER chorus on >secret ~chorus:* " + redisdb.Rights},
			url:      func(u string) string { return as(u, "chorus:secret") },
		},
		"a user who may only ping": {
			commands: []string{"ACL SETUSER chorus on >secret +ping"},
			url:      func(u string) string { return as(u, "chorus:secret") }, found: "may not do all", remedy: "ACL SETUSER NAME ~chorus:*",
		},
		"a user with other keys": {
			commands: []string{"ACL SETUSER chorus on >secret ~other:* +@all"},
			url:      func(u string) string { return as(u, "chorus:secret") }, found: "may not do all", remedy: "~chorus:*",
		},
		"a user who may not write": {
			commands: []string{"ACL SETUSER chorus on >secret ~chorus:* +@all -@write"},
			url:      func(u string) string { return as(u, "chorus:secret") }, found: "may not do all", remedy: "+@write",
		},
		"a user without info": {
			commands: []string{"ACL SETUSER chorus on >secret ~chorus:* +@all -info"},
			url:      func(u string) string { return as(u, "chorus:secret") }, found: "may not do all", remedy: "+info",
		},
		"an empty cluster": {options: clustered, found: "node of a Redis cluster", remedy: "without cluster mode"},
		"a cluster of one": {
			options: clustered, commands: []string{"CLUSTER ADDSLOTSRANGE 0 16383"},
			found: "node of a Redis cluster", remedy: "without cluster mode",
		},
		"a part of a cluster": {
			options: clustered, commands: []string{"CLUSTER ADDSLOTSRANGE 0 100", "CONFIG SET cluster-require-full-coverage no"},
			found: "node of a Redis cluster", remedy: "without cluster mode",
		},
		"a replica": {
			commands: []string{"REPLICAOF 127.0.0.1 1"}, found: "is a replica", remedy: "name the primary",
		},
		"a replica without its primary": {
			commands: []string{"CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"},
			found:    "replica that has lost its primary", remedy: "name the primary",
		},
		"a full memory": {commands: []string{"CONFIG SET maxmemory 1"}, found: "memory is full", remedy: "maxmemory-policy"},
		"too few replicas": {
			commands: []string{"CONFIG SET min-replicas-to-write 1"}, found: "too few replicas", remedy: "min-replicas-to-write",
		},
		"another number": {url: func(u string) string { return strings.TrimSuffix(u, "0") + "99" }, found: "no database of this number", remedy: "the number"},
		"TLS where none is": {
			url: func(u string) string { return strings.Replace(u, "redis://", "rediss://", 1) }, found: "does not answer in time", remedy: "rediss:// only where it speaks TLS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options []string
			if c.options != nil {
				options = c.options(t)
			}
			url := testenv.RedisServer(t, options...).URL()
			told(t, url, c.commands...)
			if c.url != nil {
				url = c.url(url)
			}
			sees(t, url, c.found, c.remedy)
		})
	}
}

func clustered(t *testing.T) []string {
	t.Helper()
	return []string{"--cluster-enabled", "yes", "--cluster-config-file", filepath.Join(t.TempDir(), "nodes.conf")}
}

func sees(t *testing.T, url, found, remedy string) {
	t.Helper()
	all := preflight.Redis(t.Context(), redisdb.Config{URL: url, Timeout: time.Second})
	if len(all) != 1 {
		t.Fatalf("found %+v", all)
	}
	f := all[0]
	if found == "" {
		if f.Status != preflight.OK {
			t.Errorf("found %+v, want nothing", f)
		}
		return
	}
	if f.Status != preflight.Warning || !strings.Contains(f.Found, found) || !strings.Contains(f.Remedy, remedy) {
		t.Errorf("found %+v, want %q and %q", f, found, remedy)
	}
}

func TestRedisThatIsNotThere(t *testing.T) {
	t.Parallel()
	server := testenv.RedisServer(t)
	server.Kill()
	sees(t, server.URL(), "nothing answers there", "start Redis")
	sees(t, "redis://chorus.invalid:6379", "its name is not known", "correct redis.url")
	sees(t, "redis://"+silent(t), "does not answer in time", "start Redis")
}

// silent returns the address of a server that accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
