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

// A node is a primary: one server, or one of a Cluster's.
type node struct {
	rueidis rueidis.Client
	address string
	id      string // in a Cluster
}

// nodes is all primaries, and which slots of a Cluster each of them has, as one of its nodes says.
func (c *client) nodes(ctx context.Context) (nodes []node, slots slotMap, err error) {
	clients := c.rueidis.Nodes()
	if c.rueidis.Mode() != rueidis.ClientModeCluster {
		for address, rc := range clients {
			nodes = append(nodes, node{rueidis: rc, address: address})
		}
		return nodes, nil, nil
	}
	for address, rc := range clients { // the first one that is there
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

// allSlots is how many slots a Cluster has.
const allSlots = 16384

// disagrees is an error, around errChanged, unless a node of a Cluster has the slots that the map gives to it,
// by its own account, with none on its way, and serves them. A primary that was replaced, and comes
// back without data, may answer SCAN before it hears of that.
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

// ownSlots reads in the answer of CLUSTER NODES which slots a node has, and, in brackets, which are on their way.
func ownSlots(nodes string) []string {
	for line := range strings.Lines(nodes) {
		// ID, address, flags, the primary's ID, two times, an epoch, a state, slots
		if fields := strings.Fields(line); len(fields) >= 8 && strings.HasPrefix(fields[2], "myself") {
			return fields[8:]
		}
	}
	return nil
}

// A slotMap is which primary has which slots, ordered by these.
type slotMap []slotRange

type slotRange struct {
	first, last int64
	id, address string // of the primary
}

// newSlotMap reads the answer of CLUSTER SLOTS of the server at an address, whose host is that of nodes of which
// it knows none.
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

// same reports whether both give the same slots to the same nodes. To another one, a node may have another address.
func (s slotMap) equal(other slotMap) bool {
	return slices.EqualFunc(s, other, func(a, b slotRange) bool {
		return a.first == b.first && a.last == b.last && a.id == b.id
	})
}

// of is the slots of a primary, as CLUSTER NODES writes them.
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

// errChanged: what was listed may not be all.
var errTopologyChanged = errors.New("redis: the topology has changed")

func topologyChanged(text string) error { return driver.Reason(errTopologyChanged, text) }
