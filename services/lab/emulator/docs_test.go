package emulator_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/controlapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/emulatortest"
)

const documentedChat = "-1001234567890" // the one that docs/emulator.md makes

// documentedCurls are the lines of a document that call the emulator with curl, and
// those that set the variables they use, as one script.
func documentedCurls(t *testing.T, path, url string) string {
	t.Helper()

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	whole := strings.ReplaceAll(string(text), "\\\n", " ")

	var script []string

	for line := range strings.Lines(whole) {
		calls := strings.HasPrefix(line, "curl ") && (strings.Contains(line, control.Prefix) || strings.Contains(line, "$E"))
		if calls || strings.HasPrefix(line, "E=") {
			script = append(script, line)
		}
	}

	all := strings.ReplaceAll(strings.Join(script, ""), "http://127.0.0.1:8080", url)

	return regexp.MustCompile(`\bID\b`).ReplaceAllString(all, documentedChat)
}

// curl makes the request that curl would make with these arguments.
func curl(ctx context.Context, t *testing.T, arguments []string) *http.Request {
	t.Helper()

	method, body, url := "", "", ""
	header := http.Header{}

	for i := 0; i < len(arguments); i++ {
		switch arguments[i] {
		case "-N":
			continue
		case "-X", "-H", "-d":
		default:
			url = arguments[i]

			continue
		}

		value := arguments[i+1]

		switch arguments[i] {
		case "-X":
			method = value
		case "-H":
			name, content, _ := strings.Cut(value, ":")
			header.Set(name, strings.TrimSpace(content))
		case "-d":
			body = value
		}

		i++
	}

	if method == "" && body != "" {
		method = http.MethodPost
	}

	if body != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl does
	}

	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	r.Header = header

	return r
}

// Every line with curl in the documents does what they say.
func TestDocumentedRequestsSucceed(t *testing.T) {
	t.Parallel()

	e := emulatortest.Start(t)
	e.Mount(control.Prefix+"/", controlapi.New(controlapi.Config{
		World: e.World(), Calls: e.Calls(), Faults: e.Faults(), Flood: e.Flood(), Log: zapNop(),
	}))

	documents, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}

	// The first makes the chat that the others use.
	documents = slices.Insert(documents, 0, "../../../docs/emulator.md", "../../../README.md")

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	requests := 0

	for _, path := range documents {
		// The shell takes the lines apart; nothing is run.
		script := "curl() { for word; do printf '%s\\0' \"$word\"; done; printf '\\n'; }\n" + documentedCurls(t, path, e.URL())

		output, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, script)
		}

		for line := range strings.Lines(string(output)) {
			requests++

			request(t, client, path, strings.Split(strings.TrimSuffix(line, "\x00\n"), "\x00"))
		}
	}

	if requests < 10 {
		t.Errorf("only %d requests were found", requests)
	}

	if chats := e.World().Chats(); len(chats) != 2 || !chats[0].ReadOnly || chats[0].Title != "Books" || chats[1].Person == nil {
		t.Errorf("the chats are %+v, want the group of the documents, closed, and the private chat", chats)
	}
}

// request makes a request and returns the beginning of the response, because a stream has no
// end.
func request(t *testing.T, client *http.Client, path string, arguments []string) {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	response, err := client.Do(curl(ctx, t, arguments))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	if response.StatusCode >= http.StatusMultipleChoices {
		text, _ := io.ReadAll(response.Body)
		t.Errorf("%s: curl %q: %s %s", path, arguments, response.Status, text)
	}
}
