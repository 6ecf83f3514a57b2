package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A node is a primary: the only one, or one of several in a Cluster.
type node struct {
	rueidis rueidis.Client
	address string
	id      string // the node ID in a Cluster, otherwise ""
}

// nodes returns all primaries. For a Cluster, it also returns the slots of each primary, according to
// one node. The error wraps errTopologyChanged if the slots are incomplete or a node is still unknown
// to rueidis.
func (c *client) nodes(ctx context.Context) (nodes []node, slots slotMap, err error) {
	clients := c.rueidis.Nodes()
	if c.rueidis.Mode() != rueidis.ClientModeCluster {
		for address, rc := range clients {
			nodes = append(nodes, node{rueidis: rc, address: address})
		}
		return nodes, nil, nil
	}
	for address, rc := range clients { // until a node is reachable
		c.doMany(ctx, rc, 1,
			func(int) rueidis.Completed { return c.rueidis.B().ClusterSlots().Build() },
			func(_ int, m rueidis.RedisMessage, replyErr error) {
				if err = replyErr; err == nil {
					slots, err = newSlotMap(m, address)
				}
			})
		var d *dialError
		if !errors.As(err, &d) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	covered := int64(0)
	for _, s := range slots {
		covered += s.last - s.first + 1
		if seen[s.address] {
			continue
		}
		seen[s.address] = true
		rc, known := clients[s.address]
		if !known {
			return nil, nil, topologyChanged("a node of the Cluster at " + s.address + " is not known to the client yet; try again later")
		}
		nodes = append(nodes, node{rc, s.address, s.id})
	}
	if covered != allSlots {
		return nil, nil, topologyChanged("the Cluster names no server for some slots; try again later")
	}
	return nodes, slots, nil
}

// allSlots is the number of slots of every Cluster.
const allSlots = 16384

// checkSlots asks a node of a Cluster for its slots. It returns an error that wraps errTopologyChanged in
// these cases:
//
//   - The node's slots differ from the slot map.
//   - A slot of the node is moving.
//   - The node does not serve its slots.
//
// For example, a replaced primary may restart without data and reply to SCAN before it hears of its
// replacement.
func (c *client) checkSlots(ctx context.Context, n node, slots slotMap) (err error) {
	if slots == nil {
		return nil
	}
	commands := []rueidis.Completed{c.rueidis.B().ClusterNodes().Build(), c.rueidis.B().ClusterInfo().Build()}
	texts := make([]string, len(commands))
	c.doMany(ctx, n.rueidis, len(commands),
		func(i int) rueidis.Completed { return commands[i] },
		func(i int, m rueidis.RedisMessage, replyErr error) {
			if replyErr != nil {
				err = replyErr
			} else if texts[i], replyErr = m.ToString(); replyErr != nil {
				err = errMalformedReply
			}
		})
	own := ownSlots(texts[0])
	switch {
	case err != nil:
		return err
	case len(own) > 0 && strings.HasPrefix(own[len(own)-1], "["):
		return topologyChanged("a slot of the server at " + n.address + " is moving to another server; try again later (redis-cli --cluster fix completes an interrupted move)")
	case !slices.Equal(own, slots.ofPrimary(n.id)):
		return topologyChanged("slots of the Cluster moved during the scan; start again")
	case !strings.Contains(texts[1], "cluster_state:ok"):
		return topologyChanged("the server at " + n.address + " does not serve its slots yet; try again later")
	}
	return nil
}

// ownSlots returns the slots that a node lists for itself in its reply to CLUSTER NODES. The moving slots
// come last, in brackets.
func ownSlots(nodes string) []string {
	for line := range strings.Lines(nodes) {
		// ID, address, flags, the primary's ID, two times, an epoch, a state, slots
		if fields := strings.Fields(line); len(fields) >= 8 && strings.HasPrefix(fields[2], "myself") {
			return fields[8:]
		}
	}
	return nil
}

// A slotMap lists the slots of a Cluster and their primaries, in the order of the slots.
type slotMap []slotRange

type slotRange struct {
	first, last int64
	id, address string // of the primary
}

// newSlotMap parses a reply to CLUSTER SLOTS from the server at address. If the server does not know the
// host of a node, newSlotMap uses the host of address.
func newSlotMap(m rueidis.RedisMessage, address string) (slots slotMap, err error) {
	ranges, err := m.ToArray()
	if err != nil {
		return nil, errMalformedReply
	}
	for _, r := range ranges { // the first slot, the last one, the primary, its replicas
		parts, err := r.ToArray()
		if err != nil || len(parts) < 3 {
			return nil, errMalformedReply
		}
		primary, err := parts[2].ToArray() // host, port, ID
		if err != nil || len(primary) < 3 {
			return nil, errMalformedReply
		}
		first, err1 := parts[0].AsInt64()
		last, err2 := parts[1].AsInt64()
		host, _ := primary[0].ToString()
		if host == "" {
			host, _, _ = net.SplitHostPort(address)
		}
		port, err3 := primary[1].AsInt64()
		id, err4 := primary[2].ToString()
		if cmp.Or(err1, err2, err3, err4) != nil {
			return nil, errMalformedReply
		}
		slots = append(slots, slotRange{first, last, id, net.JoinHostPort(host, strconv.FormatInt(port, 10))})
	}
	slices.SortFunc(slots, func(a, b slotRange) int { return cmp.Compare(a.first, b.first) })
	return slots, nil
}

// equal reports whether both maps give the same slots to the same nodes. It compares the IDs of the nodes
// only, because two servers may know a node by different addresses.
func (s slotMap) equal(other slotMap) bool {
	return slices.EqualFunc(s, other, func(a, b slotRange) bool {
		return a.first == b.first && a.last == b.last && a.id == b.id
	})
}

// ofPrimary returns the slots of a primary in the format of CLUSTER NODES.
func (s slotMap) ofPrimary(id string) (slots []string) {
	for _, r := range s {
		switch {
		case r.id != id:
		case r.first == r.last:
			slots = append(slots, fmt.Sprint(r.first))
		default:
			slots = append(slots, fmt.Sprintf("%d-%d", r.first, r.last))
		}
	}
	return slots
}

// errTopologyChanged says that a scan may have missed keys.
var errTopologyChanged = errors.New("redis: the topology has changed")

// topologyChanged returns an errTopologyChanged with a reason.
func topologyChanged(text string) error { return driver.Reason(errTopologyChanged, text) }
