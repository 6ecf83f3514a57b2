package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A node is a primary: one server, or one of a Cluster's.
type node struct {
	client  rueidis.Client
	address string
}

// nodes is all primaries, and which slots of a Cluster each of them has.
func (l *link) nodes(ctx context.Context) (nodes []node, slots string, err error) {
	clients := l.client.Nodes()
	if l.client.Mode() != rueidis.ClientModeCluster {
		for address, client := range clients {
			nodes = append(nodes, node{client, address})
		}
		return nodes, "", nil
	}
	m, err := l.do(ctx, l.client.B().ClusterSlots().Build())
	if err != nil {
		return nil, "", err
	}
	ranges, err := m.ToArray()
	if err != nil {
		return nil, "", errAnswer
	}
	var text strings.Builder
	seen := map[string]bool{}
	for _, r := range ranges { // the first slot, the last one, the primary, its replicas
		parts, err := r.ToArray()
		if err != nil || len(parts) < 3 {
			return nil, "", errAnswer
		}
		first, _ := parts[0].AsInt64()
		last, _ := parts[1].AsInt64()
		primary, err := parts[2].ToArray()
		if err != nil || len(primary) < 2 {
			return nil, "", errAnswer
		}
		host, _ := primary[0].ToString()
		port, err := primary[1].AsInt64()
		if err != nil {
			return nil, "", errAnswer
		}
		address := net.JoinHostPort(host, strconv.FormatInt(port, 10))
		fmt.Fprintln(&text, first, last, address)
		if seen[address] {
			continue
		}
		seen[address] = true
		client, known := clients[address]
		if !known {
			return nil, "", driver.Reason(errChanged, "a node of the Cluster at "+address+" is not known to the client yet")
		}
		nodes = append(nodes, node{client, address})
	}
	return nodes, text.String(), nil
}

var errChanged = errors.New("redis: not the same servers as before")
