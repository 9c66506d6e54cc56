package controlapi

import (
	"bufio"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

const (
	// slowReader limits how long a reader of the calls may block a write.
	slowReader = time.Minute
	lineBuffer = 64 << 10
)

// calls streams the log of calls, a JSON object a line.
func (s *server) calls(w http.ResponseWriter, r *http.Request) {
	filter, err := filterOf(r.URL.Query())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Trailer", control.EndTrailer)
	out := http.NewResponseController(w)
	lines := bufio.NewWriterSize(writer{w, out}, lineBuffer)
	err = s.Calls.Read(r.Context(), filter, func(line []byte) error {
		if _, err := lines.Write(line); err != nil {
			return err //nolint:wrapcheck // only tells Read to end
		}
		return lines.WriteByte('\n')
	}, func() error {
		return errors.Join(lines.Flush(), out.Flush())
	})
	if err != nil && r.Context().Err() == nil {
		// It may be too late for a status, and then the trailer tells.
		w.Header().Set(control.EndTrailer, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

// writer sets a deadline for every write.
type writer struct {
	http.ResponseWriter

	out *http.ResponseController
}

func (w writer) Write(p []byte) (int, error) {
	if err := w.out.SetWriteDeadline(time.Now().Add(slowReader)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

func filterOf(query url.Values) (calllog.Filter, error) {
	var f calllog.Filter
	if err := onlyNames(query, "since", "method", "bot", "chat", "follow"); err != nil {
		return f, err
	}
	f.Method, f.Bot = query.Get("method"), query.Get("bot")
	var err error
	if text := query.Get("since"); text != "" {
		if f.Since, err = strconv.ParseUint(text, 10, 64); err != nil {
			return f, badValue("since", strconv.Quote(text), "the seq of a call, 0 or more")
		}
	}
	if text := query.Get("chat"); text != "" {
		if f.Chat, err = strconv.ParseInt(text, 10, 64); err != nil {
			return f, badValue("chat", strconv.Quote(text), "the id of a chat")
		}
	}
	if text := query.Get("follow"); text != "" {
		if f.Follow, err = strconv.ParseBool(text); err != nil {
			return f, badValue("follow", strconv.Quote(text), "1 or 0")
		}
	}
	return f, nil
}

// onlyNames refuses parameters of a query other than these.
func onlyNames(query url.Values, names ...string) error {
	for name := range query {
		if !slices.Contains(names, name) {
			return badRequest(name + ": not a known parameter, must be one of " + strings.Join(names, ", "))
		}
	}
	return nil
}
