package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// addresses finds the address of the client who makes a request.
type addresses struct {
	forwarded bool // by one proxy, which adds its client to X-Forwarded-For
	log       *slog.Logger
	warning   sync.Once
}

// of returns the address of a client. For IPv6 it returns the /64, because one client usually has all of
// its addresses.
//
// Behind a proxy, the address is the last entry of X-Forwarded-For, with or without a port. An earlier
// entry is the client's own claim. If the last entry is not an address, of logs a warning once and
// returns the address of the proxy. Such clients share one limit, so that they cannot avoid the limit.
func (a *addresses) of(r *http.Request) string {
	if a.forwarded {
		entry := lastEntry(r.Header.Values("X-Forwarded-For"))
		if address, ok := parseAddress(entry); ok {
			return address
		}
		if entry != "" {
			a.warning.Do(func() {
				a.log.Warn("the last entry of X-Forwarded-For is not an address; its clients share the limit of the proxy")
			})
		}
	}
	if address, ok := parseAddress(r.RemoteAddr); ok {
		return address
	}
	return r.RemoteAddr // a listener without addresses
}

// lastEntry returns the last entry of a list header that may have several lines.
func lastEntry(lines []string) string {
	entries := strings.Split(strings.Join(lines, ","), ",")
	for i := len(entries) - 1; i >= 0; i-- {
		if entry := strings.TrimSpace(entries[i]); entry != "" { // RFC 9110: a receiver ignores empty entries
			return entry
		}
	}
	return ""
}

// parseAddress reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1,
// [2001:db8::1] and [2001:db8::1]:80.
func parseAddress(text string) (string, bool) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	} else if inner, found := strings.CutPrefix(text, "["); found {
		text = strings.TrimSuffix(inner, "]")
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return "", false
	}
	address = address.Unmap().WithZone("")
	if address.Is4() {
		return address.String(), true
	}
	network, err := address.Prefix(64)
	return network.String(), err == nil
}
