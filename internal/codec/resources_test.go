package codec

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After a large value, no large buffer stays in the pool. Each text is allocated once.
func TestLargeValuesLeaveNoBuffer(t *testing.T) {
	for _, n := range []int{100, 60 << 10, 70 << 10, 1 << 20} {
		text, err := Marshal(strings.Repeat("x", n))
		require.NoError(t, err)
		require.Len(t, text, n+2)
		for range 10 {
			scratch := scratchPool.Get().(*[]byte)
			require.LessOrEqual(t, cap(*scratch), 64<<10, "after a text of %d bytes", n)
			scratchPool.Put(scratch)
		}
	}
}

// Marshal uses the same buffer again: it allocates the text only. The race detector's build drops some buffers.
func TestMarshalAllocatesTheTextOnly(t *testing.T) {
	for _, n := range []int{10, 257, 4 << 10} {
		var v any = strings.Repeat("x", n)
		_, err := Marshal(v) // the buffer grows
		require.NoError(t, err)
		assert.Less(t, testing.AllocsPerRun(1000, func() { _, _ = Marshal(v) }), 2.5, "a text of %d bytes", n)
	}
}

// Types are examined once. Recursive types are plain.
func TestTypesAreExaminedOnce(t *testing.T) {
	type node struct {
		Name  string
		Next  *node
		Nodes []node
		Named map[string]*node
	}
	made := reflect.TypeFor[node]()
	require.NotNil(t, appenderOf(made), "a recursive type is plain")
	text, err := Marshal(node{Name: "a", Next: &node{Name: "b"}, Nodes: []node{{Name: "c"}}})
	require.NoError(t, err)
	_, known := appenders.Load(made)
	assert.True(t, known)
	var back node
	require.NoError(t, Unmarshal(text, &back))
	_, known = shapes.Load(made)
	assert.True(t, known)
	assert.Equal(t, "c", back.Nodes[0].Name)
}

// Marshal returns texts of all lengths unchanged, and Unmarshal does.
func TestTextsOfAllLengths(t *testing.T) {
	for _, border := range []int{8, 256, 512, 4 << 10, 32 << 10, 64 << 10} {
		for n := border - 9; n <= border+9; n++ {
			if n < 0 {
				continue
			}
			for _, s := range []string{strings.Repeat("x", n), strings.Repeat("x", n) + "é", "\n" + strings.Repeat("x", n)} {
				text, err := Marshal(map[string]string{"k": s})
				require.NoError(t, err)
				var back map[string]string
				require.NoError(t, Unmarshal(text, &back))
				require.True(t, back["k"] == s, "%d bytes", n)
			}
		}
	}
}
