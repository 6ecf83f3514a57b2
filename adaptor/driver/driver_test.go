package driver_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/driver"
)

func TestKey(t *testing.T) {
	for _, tt := range []struct {
		path []string
		key  string
		want string
	}{
		{[]string{"cache"}, "user:42", "cache:user:42"},
		{[]string{"sessions", "admin"}, "abc", "sessions/admin:abc"},
		{[]string{"a/b"}, "c", "a%2Fb:c"},
		{[]string{"%2F:{}", "x"}, "{tag}/:%", "%252F%3A%7B%7D/x:{tag}/:%"},
		{[]string{"\xff\x00é\n"}, "\xff\x00", "\xff\x00é\n:\xff\x00"},
		{[]string{"a"}, "", "a:"},
	} {
		assert.Equal(t, tt.want, driver.Key(tt.path, tt.key))
	}
}

func TestAdd(t *testing.T) {
	for _, tt := range []struct {
		text string
		by   int64
		want int64
	}{
		{"0", 0, 0}, {"0", -1, -1}, {"-7", 7, 0}, {"10", 5, 15},
		{"9223372036854775806", 1, math.MaxInt64}, {"-9223372036854775808", math.MaxInt64, -1},
		{"9223372036854775807", math.MinInt64, -1},
	} {
		sum, err := driver.Add([]byte(tt.text), tt.by)
		require.NoError(t, err)
		assert.Equal(t, tt.want, sum)
	}
	for _, text := range []string{
		"", "-", "--1", "-+1", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", `"1"`, "null", "١",
		"9223372036854775808", "-9223372036854775809", "100000000000000000000",
	} {
		_, err := driver.Add([]byte(text), 0)
		assert.ErrorIs(t, err, driver.ErrInvalidValue, "%q", text)
	}
	for text, by := range map[string]int64{
		"9223372036854775807": 1, "1": math.MaxInt64, "-9223372036854775808": -1, "-1": math.MinInt64,
	} {
		_, err := driver.Add([]byte(text), by)
		assert.ErrorIs(t, err, driver.ErrInvalidValue)
	}
}

func FuzzAdd(f *testing.F) {
	f.Add("5", int64(1))
	f.Add("-0", int64(0))
	f.Fuzz(func(t *testing.T, text string, by int64) {
		n, parseErr := strconv.ParseInt(text, 10, 64)
		plain := parseErr == nil && strconv.FormatInt(n, 10) == text
		sum, err := driver.Add([]byte(text), by)
		if fits := plain && (by >= 0) == (n+by >= n); (err == nil) != fits || err == nil && sum != n+by {
			t.Fatalf("Add(%q, %d) = %d, %v", text, by, sum, err)
		}
	})
}

func TestUnknown(t *testing.T) {
	cause := errors.New("cause")
	err := driver.Unknown(cause)
	assert.ErrorIs(t, err, cause)
	assert.True(t, driver.IsUnknown(fmt.Errorf("more: %w", err)))
	assert.False(t, driver.IsUnknown(cause))
	assert.NoError(t, driver.Unknown(nil))
}

func TestReason(t *testing.T) {
	cause := errors.New("OOM command not allowed, key secret")
	err := driver.Reason(cause, "OOM")
	assert.EqualError(t, err, "OOM")
	assert.ErrorIs(t, err, cause)
	assert.Equal(t, "OOM", driver.ReasonOf(driver.Unknown(err)))
	assert.Empty(t, driver.ReasonOf(cause))
	assert.NoError(t, driver.Reason(nil, "OOM"))
}

// Under parses each key that Key makes, and rejects every other key.
func TestUnder(t *testing.T) {
	for _, path := range [][]string{{"b"}, {"a", "b%/:{}"}, {"a", "\x00", "%2F"}} {
		for _, base := range [][]string{{"n"}, {"n/:", "m"}} {
			for _, key := range []string{"", "k", "a:b/c", "\xff"} {
				got, k, ok := driver.Under(driver.Key(base, ""), driver.Key(append(append([]string(nil), base...), path...), key))
				if !ok || k != key || !reflect.DeepEqual(got, path) {
					t.Errorf("%q %q %q: %q %q %v", base, path, key, got, k, ok)
				}
				got, k, ok = driver.Under(driver.Key(base, ""), driver.Key(base, key))
				if !ok || k != key || got != nil {
					t.Errorf("%q %q: %q %q %v", base, key, got, k, ok)
				}
			}
		}
	}
	for _, foreign := range []string{"", "n", "nAbc:k", "m:k", "n/:k", "n//a:k", "n/a", "n/%zz:k", "n/%2f:k", "n/{a}:k", "n/a/:k"} {
		if path, key, ok := driver.Under("n:", foreign); ok {
			t.Errorf("%q: %q %q", foreign, path, key)
		}
	}
}
