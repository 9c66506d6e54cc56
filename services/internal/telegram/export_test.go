package telegram

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
)

// Trust makes a client that has made no call trust a test server.
func Trust(c *Client, certificate *x509.Certificate) {
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	t, ok := c.http.Transport.(*http.Transport)
	if !ok {
		panic("the transport is another")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
}
