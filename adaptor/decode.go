package adaptor

import "github.com/zelt-go/kv/internal/codec"

// decode decodes a stored text into a new T. It is the one place that decodes for a caller. The
// arguments found and err are the outcome of the read: decode passes them on if there is no text.
//
// If the text does not decode into T, decode returns ErrInvalidValue with the Op op.
func decode[T any](s *KVStore, op, key string, text []byte, found bool, err error) (T, bool, error) {
	var zero T
	if err != nil || !found {
		return zero, false, err
	}
	var value T
	if err := codec.Unmarshal(text, &value); err != nil {
		return zero, false, failure(op, s.pathOf(), key, CodeInvalidValue, err)
	}
	return value, true, nil
}
