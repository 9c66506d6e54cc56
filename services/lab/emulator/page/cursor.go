package page

import (
	"net/http"
	"strconv"
	"strings"
)

// cursor names the moment after an event: whoever has it knows everything up
// to that event.
func (p *page) cursor(revision uint64) string {
	return p.epoch + "-" + strconv.FormatUint(revision, 10)
}

// known returns the revision that a reader of events knows already. It is false
// for a reader that has no cursor, or one of another process, whose revisions
// mean something else.
func (p *page) known(r *http.Request) (uint64, bool) {
	// A browser that reconnects repeats the address of its first try, and the
	// header tells how far it has come since.
	cursor := r.Header.Get("Last-Event-ID")
	if cursor == "" {
		cursor = r.URL.Query().Get("after")
	}
	epoch, number, _ := strings.Cut(cursor, "-")
	revision, err := strconv.ParseUint(number, 10, 64)
	return revision, err == nil && epoch == p.epoch
}
