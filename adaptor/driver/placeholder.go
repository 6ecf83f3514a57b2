package driver

// PlaceholderPrefix is how a placeholder begins: a space, a quote and "kv:". The front stores a
// placeholder at a key without a value, while it loads the value or after it has found that there
// is none. No value that the front stores begins with a space.
const PlaceholderPrefix = ` "kv:`

// IsPlaceholder reports whether value is a placeholder of the front, and not a value. The methods
// of a backend store and return placeholders like values. Only [GetExpirer] and programs that
// read a value through a store of this package have to tell them apart.
func IsPlaceholder(value []byte) bool {
	return len(value) > len(PlaceholderPrefix) && value[0] == ' ' && string(value[:len(PlaceholderPrefix)]) == PlaceholderPrefix
}
