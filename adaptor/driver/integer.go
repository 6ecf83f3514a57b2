package driver

import (
	"math"
	"strconv"
)

// Add adds by to the integer text value and returns the sum, for the Incr of a backend that keeps counters as
// text.
//
// An integer is the plain decimal text of an int64, as strconv.FormatInt writes it: "0", "42", "-7". Add returns
// [ErrInvalidValue] for any other text ("5" in quotes, 5.0, 1e3, -0, 007, +1, spaces, more than 64 bits), and if
// the sum overflows.
func Add(value []byte, by int64) (int64, error) {
	n, ok := Integer(value)
	if !ok {
		return 0, Reason(ErrInvalidValue, "the stored value is not a plain decimal int64")
	}
	return Sum(n, by)
}

// Sum returns n plus by, for a backend that keeps counters as integers. It returns [ErrInvalidValue] if the sum
// overflows.
func Sum(n, by int64) (int64, error) {
	if by > 0 && n > math.MaxInt64-by || by < 0 && n < math.MinInt64-by {
		return 0, Reason(ErrInvalidValue, "the sum is beyond int64")
	}
	return n + by, nil
}

// Integer parses the plain decimal text of an int64, as [Add] does. It reports whether text is an integer.
func Integer(text []byte) (int64, bool) {
	digits := text
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	switch {
	case len(digits) == 0 || len(digits) > len("9223372036854775808"):
		return 0, false
	case digits[0] < '0' || digits[0] > '9': // a second sign
		return 0, false
	case digits[0] == '0' && len(text) > 1: // -0 and 007
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}
