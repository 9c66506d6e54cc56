package publicnet_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/publicnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"1.1.1.1": true, "93.184.216.34": true, "2606:4700::1111": true,
		"127.0.0.1": false, "127.9.9.9": false, "0.0.0.0": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "198.18.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false,
		"::1": false, "::": false, "fe80::1": false, "fc00::1": false, "fd12::1": false, "ff02::1": false, "2001:db8::1": false, "fec0::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "::ffff:1.1.1.1": true,
	} {
		if got := publicnet.Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is public: %t, want %t", address, got, want)
		}
	}
}

func TestPrivateAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer s.Close()
	at, err := netip.ParseAddrPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port := at.String()[len("127.0.0.1"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+port+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := publicnet.Client(5*time.Second, false).Do(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		if !errors.Is(err, publicnet.ErrPrivate) || asked {
			t.Errorf("%s: %v, asked: %t", host, err, asked)
		}
	}
	client := publicnet.Client(5*time.Second, true)
	defer client.CloseIdleConnections()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	answer, err := client.Do(r)
	if err != nil || !asked {
		t.Fatalf("with leave: %v, asked: %t", err, asked)
	}
	_ = answer.Body.Close()
}
