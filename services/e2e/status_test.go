package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/status"
)

// told is the console's list of processes.
type told struct {
	Processes []status.Process `json:"processes"`
	Silent    int              `json:"silent"`
}

// asks returns the console's list of processes.
func asks(t *testing.T, console string) (all told) {
	t.Helper()
	if err := json.Unmarshal([]byte(get(t, "http://"+console+"/api/v1/processes")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// services returns the services that answered, in order.
func (a told) services() string {
	var all []string
	for i := range a.Processes {
		all = append(all, a.Processes[i].Service)
	}
	return strings.Join(all, " ")
}

// any tells whether a process of a service meets a condition.
func (a told) any(service string, is func(p status.Process) bool) bool {
	for i := range a.Processes {
		if p := a.Processes[i]; p.Service == service && is(p) {
			return true
		}
	}
	return false
}

// Each process reports its status to the console over the bus: what runs, which providers
// rest and why, which breakers are open, and the state of its cache.
func TestTheConsoleIsToldByEachProcess(t *testing.T) {
	t.Parallel()
	asked := func(code int, wait string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", wait)
			http.Error(w, `{"error": {"message": "not now"}}`, code)
		}))
		t.Cleanup(s.Close)
		return s.URL + "/v1"
	}
	d := deploy(t, troupe{bots: 4, supergroups: 4, perChat: 2, gap: time.Second}.file(t))
	console := nobody(t)
	d.environment = append(d.environment,
		"CHORUS_CONSOLE_LISTEN="+console, "CHORUS_CONSOLE_OPEN=true",
		"CHORUS_LLM_NAME=ill", "CHORUS_LLM_KIND=openai", "CHORUS_LLM_MODEL=m", "CHORUS_LLM_URL="+asked(http.StatusInternalServerError, ""),
		"CHORUS_LLM_SECOND_NAME=busy", "CHORUS_LLM_SECOND_KIND=openai", "CHORUS_LLM_SECOND_MODEL=m", "CHORUS_LLM_SECOND_URL="+asked(http.StatusTooManyRequests, "600"),
		"CHORUS_LLM_THIRD_KIND=offline",
	)
	d.start("planner", "generator", "sender", "listener", "console")
	replica := launch(t, d.environment, "sender", "--ops.listen", nobody(t))
	var last told
	sees := func(what string, is func() bool) {
		t.Helper()
		eventually(t, what, func() bool { last = asks(t, console); return is() })
	}
	defer func() {
		if t.Failed() {
			t.Logf("the console was told %+v", last)
		}
	}()
	sees("each process is told of once", func() bool {
		return last.Silent == 0 && last.services() == "console generator listener planner sender sender"
	})
	sees("a provider rests, with its reason and times", func() bool {
		return last.any("generator", func(p status.Process) bool {
			return len(p.Rests) == 1 && p.Rests[0].Of == "busy" && strings.Contains(p.Rests[0].Why, "too often") &&
				!p.Rests[0].Since.IsZero() && p.Rests[0].Until.Sub(p.Rests[0].Since) > 9*time.Minute
		})
	})
	sees("the breaker of the other one is open", func() bool {
		return last.any("generator", func(p status.Process) bool {
			return p.Open == 1 && p.Breakers[0].Of == "provider ill" && !p.Breakers[0].Since.IsZero() && p.Breakers[0].Next.After(p.Breakers[0].Since)
		})
	})
	well := func(p status.Process) bool {
		return p.Cache != nil && p.Cache.Hits > 0 && p.Cache.Values > 0 && p.Cache.Redis == "answers" && p.Cache.Hears
	}
	sees("caches hit", func() bool {
		return last.any("planner", well) && last.any("generator", well) && last.any("sender", well)
	})
	page := get(t, "http://"+console+"/operate")
	for _, want := range []string{"Providers that rest", "busy", "Open breakers", "provider ill"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	d.redis.Kill()
	d.run("cache", "invalidate", "--all") // the services read again, and notice
	sees("Redis is away", func() bool {
		return last.any("planner", func(p status.Process) bool { return p.Cache.Redis == "does not answer" })
	})
	if err := replica.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	sees("one lives and does not answer", func() bool { return last.Silent == 1 && strings.Count(last.services(), "sender") == 1 })
	replica.kill()
	sees("it is gone", func() bool { return last.Silent == 0 && strings.Count(last.services(), "sender") == 1 })
}
