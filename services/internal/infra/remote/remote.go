// Package remote says from where a request comes.
package remote

import (
	"net"
	"net/http"
	"strings"
)

// Address is that which a request comes from. Behind a proxy it is the last one in
// X-Forwarded-For: those before it are what the client itself claims.
func Address(r *http.Request, forwarded bool) string {
	if list := r.Header.Values("X-Forwarded-For"); forwarded && len(list) > 0 {
		last := list[len(list)-1]
		return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Network is what limits count as one: an address, or an IPv6 network of 64 bits, because
// whoever has one address there has all.
func Network(address string) string {
	ip := net.ParseIP(address)
	if ip == nil || ip.To4() != nil {
		return address
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
