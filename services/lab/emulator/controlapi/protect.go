package controlapi

import (
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// onlyHosts refuses requests under other host names than those of this machine and the
// allowed ones: see control.Local.
func onlyHosts(allowed []string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host := hostname(r.Host)
			if !control.Local(host) && !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) }) {
				refuse(w, http.StatusForbidden, "host: "+strconv.Quote(host)+" is not allowed, must be "+strings.Join(append([]string{"localhost"}, allowed...), " or "))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// hostname is the Host header without the port and the brackets of IPv6.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// sameOrigin refuses changes that a web page of another origin asks for.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusForbidden, "origin: "+strconv.Quote(r.Header.Get("Origin"))+" is not allowed, must be the emulator's own")
	}))
	return protection.Handler(next)
}

// onlyJSON refuses bodies of other types. A web page can't send this type to
// another origin without asking first, which is never allowed.
func onlyJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if (r.Method == http.MethodPost || r.Method == http.MethodPut) && (err != nil || kind != control.ContentType) {
			refuse(w, http.StatusUnsupportedMediaType, "Content-Type: "+strconv.Quote(r.Header.Get("Content-Type"))+" is not allowed, must be "+control.ContentType)
			return
		}
		next.ServeHTTP(w, r)
	})
}
