package page_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/page"
)

func TestHosts(t *testing.T) {
	t.Parallel()

	h := page.New(newBook(), page.Options{})

	for host, want := range map[string]int{
		"localhost":              http.StatusOK,
		"LOCALHOST:8080":         http.StatusOK,
		"localhost.:8080":        http.StatusOK,
		"chorus.localhost":       http.StatusOK,
		"127.0.0.1:8080":         http.StatusOK,
		"127.1.2.3":              http.StatusOK,
		"[::1]:8080":             http.StatusOK,
		"[::1]":                  http.StatusOK,
		"evil.example":           http.StatusMisdirectedRequest,
		"evil.example:8080":      http.StatusMisdirectedRequest,
		"localhost.evil.example": http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example": http.StatusMisdirectedRequest,
		"notlocalhost":           http.StatusMisdirectedRequest,
		"192.168.1.7:8080":       http.StatusMisdirectedRequest,
		"":                       http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/page/chats", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)

		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()

	h := page.New(newBook(), page.Options{Title: `Ours & <theirs>`, Banner: `"Simulated" <chat>`})

	for path, kind := range map[string]string{
		"/":                    "text/html; charset=utf-8",
		"/page/web/app.js":     "text/javascript; charset=utf-8",
		"/page/web/base.css":   "text/css; charset=utf-8",
		"/page/web/icon.svg":   "image/svg+xml",
		"/page/web/index.html": "",
		"/page/web/none.js":    "",
		"/elsewhere":           "",
	} {
		w := ask(t, h, path)
		if kind == "" {
			if w.Code != http.StatusNotFound {
				t.Errorf("%s: %d, want 404", path, w.Code)
			}

			continue
		}

		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Header().Get("Content-Type"), kind)
		}

		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(w.Header().Get("Content-Security-Policy"), rule) {
				t.Errorf("%s: the policy has no %s", path, rule)
			}
		}

		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil)
		r.Header.Set("If-None-Match", w.Header().Get("ETag"))

		again := httptest.NewRecorder()
		if h.ServeHTTP(again, r); again.Code != http.StatusNotModified {
			t.Errorf("%s: %d for a browser that has it, want 304", path, again.Code)
		}
	}

	html := ask(t, h, "/").Body.String()
	for _, want := range []string{"<title>Ours &amp; &lt;theirs&gt;</title>", "&#34;Simulated&#34; &lt;chat&gt;"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}
