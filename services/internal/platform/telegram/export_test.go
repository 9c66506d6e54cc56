package telegram

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
)

// Trust makes a client trust a test server. The client must not have made calls.
func Trust(c *Client, certificate *x509.Certificate) {
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	transportOf(c).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
}

// DialThrough replaces a client's dialer. The client must not have made calls.
func DialThrough(c *Client, dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	transportOf(c).DialContext = dial
}

func transportOf(c *Client) *http.Transport {
	t, ok := c.http.Transport.(*http.Transport)
	if !ok {
		panic("the transport is another")
	}
	return t
}
