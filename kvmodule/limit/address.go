package limit

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ByAddress returns a key function for [Limiter.Middleware]: the address of the client. trusted are the proxies whose
// field X-Forwarded-For is believed, such as netip.MustParsePrefix("10.0.0.0/8").
//
// The client is the peer of the connection. If the peer is trusted, the client is the last address in X-Forwarded-For that
// is not trusted, or the first one if all are. All lines of the field are one list, and an address may have a
// port. If an entry is not an address, the client is the hop that sent it. No other field counts.
//
// IPv4 addresses inside IPv6 and inside the NAT64 prefix 64:ff9b::/96 are IPv4 addresses. Other IPv6 addresses
// count by their /64, without a zone, because a client usually has a whole /64. If the peer is not an address, for
// example on a Unix socket, the key is empty.
func ByAddress(trusted ...netip.Prefix) func(*http.Request) string {
	prefixes := make([]netip.Prefix, 0, len(trusted))
	for _, p := range trusted {
		prefixes = append(prefixes, plainPrefix(p))
	}
	isTrusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(r *http.Request) string {
		client, ok := parseAddress(r.RemoteAddr)
		if !ok {
			return ""
		}
		if isTrusted(client) {
			lines := r.Header.Values("X-Forwarded-For")
		walk:
			for _, line := range slices.Backward(lines) {
				for {
					comma := strings.LastIndexByte(line, ',')
					sender, ok := parseAddress(strings.Trim(line[comma+1:], " \t"))
					if !ok {
						break walk
					}
					if client = sender; !isTrusted(client) || comma < 0 {
						break
					}
					line = line[:comma]
				}
				if !isTrusted(client) {
					break
				}
			}
		}
		if client.Is4() {
			return client.String()
		}
		network, err := client.Prefix(64)
		if err != nil {
			return ""
		}
		return network.String()
	}
}

// parseAddress parses an address with or without a port.
func parseAddress(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return plain(a), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return plain(a.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			if a, err := netip.ParseAddr(inner); err == nil && a.Is6() {
				return plain(a), true
			}
		}
	}
	return netip.Addr{}, false
}

var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// plain returns an address without a zone, and as IPv4 if it contains one.
func plain(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// plainPrefix is plain for the addresses of a prefix.
func plainPrefix(p netip.Prefix) netip.Prefix {
	if a := plain(p.Addr()); p.Addr().Is6() && a.Is4() && p.Bits() >= 96 {
		return netip.PrefixFrom(a, p.Bits()-96)
	}
	return p
}
