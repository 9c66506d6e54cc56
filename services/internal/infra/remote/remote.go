// Package remote determines the origin of a request.
package remote

import (
	"net"
	"net/http"
	"strings"
)

// Address returns the address that a request comes from. Behind a proxy it is the last one
// in X-Forwarded-For: the client itself may have written the others.
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

// Network returns the unit that limits count: an IPv4 address, or an IPv6 network of 64
// bits, because the owner of one address there has all of them.
func Network(address string) string {
	ip := net.ParseIP(address)
	if ip == nil || ip.To4() != nil {
		return address
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
