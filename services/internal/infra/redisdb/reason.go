package redisdb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Trouble explains to operators why a Redis can't be used.
type Trouble struct {
	// Found is the problem, Remedy its solution.
	Found, Remedy string
}

// troubles lists Redis' errors that prevent any use, by codes or words. The first match is
// reported. A script's error has the code in the middle in Redis 6, at the beginning in
// Redis 7.
func troubles() []struct {
	signs []string
	Trouble
} {
	return []struct {
		signs []string
		Trouble
	}{
		{[]string{"WRONGPASS"}, Trouble{"it refuses the user or the password", "correct the user and the password in redis.url"}},
		{[]string{"without any password configured"}, Trouble{"it knows no password, and gets one", "take the password out of redis.url, or set it in Redis"}},
		{[]string{"NOAUTH", "unauthenticated"}, Trouble{
			"it wants a password",
			"put the user and the password into redis.url: redis://USER:PASSWORD@HOST:PORT/NUMBER",
		}},
		{[]string{"NOPERM", "ACL failure", "can't run this command"}, Trouble{
			"its user may not do all that Chorus does", "give the user its rights: ACL SETUSER NAME ~chorus:* " + Rights,
		}},
		{[]string{"MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN", "TRYAGAIN"}, Trouble{
			"it is a node of a Redis cluster, and Chorus needs one server", "name a Redis without cluster mode in redis.url",
		}},
		{[]string{"READONLY"}, Trouble{"it is a replica, which takes no writes", "name the primary in redis.url"}},
		{[]string{"MASTERDOWN"}, Trouble{"it is a replica that has lost its primary", "name the primary in redis.url"}},
		{[]string{"LOADING"}, Trouble{"it is still loading its data", "wait: it is used once it has"}},
		{[]string{"OOM"}, Trouble{"its memory is full", "raise maxmemory, and set maxmemory-policy to volatile-ttl or allkeys-lru"}},
		{[]string{"MISCONF"}, Trouble{"it can't save to its disk, and takes no writes", "look at its disk and its log"}},
		{[]string{"NOREPLICAS"}, Trouble{"it has too few replicas to take writes", "start its replicas, or lower min-replicas-to-write"}},
		{[]string{"BUSY"}, Trouble{"it is busy with a script of somebody else", "look what runs on it, or use another Redis"}},
		{[]string{"max number of clients"}, Trouble{"it has too many clients", "raise maxclients"}},
		{[]string{"protected mode"}, Trouble{"it is in protected mode, and takes no calls of other machines", "set a password in Redis and in redis.url"}},
		{[]string{"DB index is out of range", "SELECT is not allowed"}, Trouble{"it has no database of this number", "correct the number at the end of redis.url"}},
		{[]string{"unknown command"}, Trouble{"a command that Chorus needs is switched off or renamed", "use a Redis with " + Rights}},
	}
}

// Rights are the rights that Chorus' Redis user needs, as in ACL SETUSER, for keys that
// begin with chorus:.
const Rights = "+@read +@write +@scripting +@connection +@transaction +time +info"

// Explain explains an error of Redis.
func Explain(err error) Trouble {
	text := err.Error()
	for _, t := range troubles() {
		for _, sign := range t.signs {
			if said(text, sign) {
				return Trouble{t.Found + ": " + names.Line(text, 0), t.Remedy}
			}
		}
	}
	return unreachable(err, names.Line(text, 0))
}

// unreachable explains an error that isn't a reply of Redis.
func unreachable(err error, text string) Trouble {
	noTLS, name := tls.RecordHeaderError{}, (*net.DNSError)(nil)
	untrusted, otherName, invalid := x509.UnknownAuthorityError{}, x509.HostnameError{}, x509.CertificateInvalidError{}
	late := net.Error(nil)
	isNet := errors.As(err, &late)
	switch {
	case errors.As(err, &noTLS):
		return Trouble{"it speaks no TLS: " + text, "use redis:// instead of rediss:// in redis.url"}
	case errors.As(err, &untrusted), errors.As(err, &otherName), errors.As(err, &invalid):
		return Trouble{"its certificate isn't trusted: " + text, "use a certificate that this machine trusts, for the name in redis.url"}
	case errors.As(err, &name):
		return Trouble{"its name is not known: " + text, "correct redis.url"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Trouble{"nothing answers there: " + text, "start Redis, or correct redis.url"}
	case errors.Is(err, context.DeadlineExceeded), isNet && late.Timeout():
		return Trouble{
			"it does not answer in time: " + text,
			"start Redis, correct redis.url (rediss:// only where it speaks TLS), or raise redis.timeout where it is far away",
		}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return Trouble{"it closes the connection: " + text, "look at its log; if it wants TLS, use rediss:// in redis.url"}
	}
	return Trouble{text, "look at its log, or correct redis.url"}
}

// said reports whether text contains sign: a code at the beginning of a word, or words
// anywhere.
func said(text, sign string) bool {
	for rest := text; ; {
		at := strings.Index(rest, sign)
		if at < 0 {
			return false
		}
		before, after := rest[:at], rest[at+len(sign):]
		if (before == "" || strings.HasSuffix(before, " ") || strings.HasSuffix(before, "-")) && (after == "" || strings.HasPrefix(after, " ")) {
			return true
		}
		rest = after
	}
}
