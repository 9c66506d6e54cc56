package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"time"
)

//go:embed web
var web embed.FS

// shell answers with the HTML file, which has no data but the options.
func (p *page) shell(w http.ResponseWriter, r *http.Request) {
	var content bytes.Buffer
	parsed, err := template.ParseFS(web, "web/index.html")
	if err == nil {
		err = parsed.Execute(&content, p.opts)
	}
	if err != nil {
		p.refuse(w, fmt.Errorf("make the page: %w", err))
		return
	}
	serve(w, r, "text/html; charset=utf-8", content.Bytes())
}

// asset answers with a style sheet, a script or the icon.
func asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	// The system's own table of types may be wrong, and scripts of a wrong type
	// don't run.
	kind := map[string]string{
		".css": "text/css; charset=utf-8",
		".js":  "text/javascript; charset=utf-8",
		".svg": "image/svg+xml",
	}[path.Ext(name)]
	content, err := web.ReadFile("web/" + name)
	if err != nil || kind == "" {
		fail(w, http.StatusNotFound, "there is no such file")
		return
	}
	serve(w, r, kind, content)
}

// serve answers with a file, or says that the browser has it already.
func serve(w http.ResponseWriter, r *http.Request, kind string, content []byte) {
	sum := sha256.Sum256(content)
	w.Header().Set("Cache-Control", "no-cache") // ask each time, by the tag
	w.Header().Set("Content-Type", kind)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
