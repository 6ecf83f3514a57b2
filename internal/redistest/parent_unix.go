//go:build unix && !linux

package redistest

// endWithParent returns nil, because only Linux can end a process with its parent.
func endWithParent() []string { return nil }
