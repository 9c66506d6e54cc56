// Package verify checks what deploy/ has: that Kubernetes takes every overlay and
// that each keeps to our own rules, and that Prometheus takes the alert rules and
// they fire when they should.
package verify
