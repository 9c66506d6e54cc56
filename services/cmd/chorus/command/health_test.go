package command_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	status := http.StatusOK
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		w.WriteHeader(status)
		_, _ = w.Write([]byte("the database is away"))
	}))
	defer service.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(service.URL, "http://"), ":")
	for _, c := range []struct {
		args   []string
		status int
		path   string
		say    string // part of the error; empty for none
	}{
		{[]string{"--ops.listen", "127.0.0.1:" + port}, http.StatusOK, "/healthz", ""},
		{[]string{"--ops.listen", "0.0.0.0:" + port, "--ops.metrics-open"}, http.StatusOK, "/healthz", ""},
		{[]string{"--ops.listen", ":" + port, "--ops.metrics-open", "--ready"}, http.StatusServiceUnavailable, "/readyz", "the database is away"},
		{[]string{"--url", service.URL + "/page"}, http.StatusOK, "/page", ""},
	} {
		status = c.status
		cmd := command.New()
		cmd.SetArgs(append([]string{"health"}, c.args...))
		err := cmd.ExecuteContext(t.Context())
		if path := <-asked; path != c.path {
			t.Errorf("%v asks for %s, want %s", c.args, path, c.path)
		}
		if c.say == "" && err != nil || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%v: %v, want an error that says %q", c.args, err, c.say)
		}
	}
}
