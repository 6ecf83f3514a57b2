package adaptortest

import (
	"context"
	"errors"
	"fmt"

	"github.com/zelt-go/kv/adaptor"
)

// pingCases are the rules of Ping.
var pingCases = []testCase{
	{"Ping/answers", "Ping of a backend that serves returns nil and stores nothing; with a done context it returns STORE_OPERATION_FAILED", func(c *check) {
		c.must("Ping", adaptor.Ping(background, c.plain))
		c.holds("Ping", c.store("ping"), "", absent)
		done, cancel := context.WithCancel(background)
		cancel()
		err := adaptor.Ping(done, c.plain)
		c.refused("Ping with a done context", err, adaptor.CodeStoreOperationFailed)
		if !errors.Is(err, context.Canceled) {
			c.fail("Ping with a canceled context", fmt.Sprint(err), "an error that wraps context.Canceled")
		}
	}},
}
