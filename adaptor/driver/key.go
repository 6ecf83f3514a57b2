package driver

import "strings"

// Key returns the physical key of (path, key) for a backend with one flat key space. It joins the segments by
// "/", then adds ":" and the unchanged key, for example "cache:user:42" and "sessions/admin:abc".
//
// In a segment, the bytes % / : { } become %25 %2F %3A %7B %7D. Therefore the first ":" ends the path, different
// pairs have different physical keys, and only the key can contain a {hash tag} of Redis Cluster.
func Key(path []string, key string) string {
	n := len(path) + len(key)
	plain := true
	for _, segment := range path {
		n += len(segment)
		plain = plain && !strings.ContainsAny(segment, escaped)
	}
	var b strings.Builder
	b.Grow(n)
	for i, segment := range path {
		if i > 0 {
			b.WriteByte('/')
		}
		if plain {
			b.WriteString(segment)
		} else {
			escaper.WriteString(&b, segment)
		}
	}
	b.WriteByte(':')
	b.WriteString(key)
	return b.String()
}

const escaped = "%/:{}"

var escaper = strings.NewReplacer("%", "%25", "/", "%2F", ":", "%3A", "{", "%7B", "}", "%7D")

// Under does the reverse of [Key] for a backend with one flat key space. It returns the path below a namespace
// and the key of the physical key. prefix is Key(path, "") of the namespace. ok is false if the physical key is
// outside the namespace and all namespaces below it, or if Key makes no such physical key.
func Under(prefix, physical string) (path []string, key string, ok bool) {
	if strings.HasPrefix(physical, prefix) {
		return nil, physical[len(prefix):], true
	}
	rest, below := strings.CutPrefix(physical, prefix[:len(prefix)-1]+"/")
	names, key, ends := strings.Cut(rest, ":")
	if !below || !ends {
		return nil, "", false
	}
	for name := range strings.SplitSeq(names, "/") {
		segment := unescaper.Replace(name)
		if name == "" || escaper.Replace(segment) != name {
			return nil, "", false
		}
		path = append(path, strings.Clone(segment))
	}
	return path, key, true
}

var unescaper = strings.NewReplacer("%25", "%", "%2F", "/", "%3A", ":", "%7B", "{", "%7D", "}")
