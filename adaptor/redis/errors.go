package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/redis/rueidis"

	"github.com/zelt-go/kv/adaptor/driver"
)

var (
	errNotMade         = driver.Reason(errors.New("redis: not made by New"), "the RedisKV was not made by redis.New or redis.NewFromClient")
	errNotStarted      = driver.Reason(errors.New("redis: not started"), "the RedisKV is not started or was stopped: in an fx app, use the store for the first time in an OnStart hook, not in a constructor; without fx, call Start first")
	reasonPipelineFull = "no slot of redis.Config.Pipeline became free"

	// errMalformedReply says nothing about the outcome of a write, so the outcome is unknown.
	errMalformedReply = driver.Unknown(driver.Reason(errors.New("redis: malformed reply"), "the server sent a reply of an unexpected type"))
)

// replyError returns the error for an error reply. The command has changed nothing. The text contains
// only the code of the reply, because the rest may quote keys and values.
func replyError(reply *rueidis.RedisError) error {
	text := reply.Error() // rueidis has removed a leading "ERR"
	prefix := scriptPrefix.FindString(text)
	text = text[len(prefix):]
	code, _, _ := strings.Cut(text, " ")
	switch {
	case prefix != "" && strings.HasPrefix(text, "The user executing the script can't"):
		code = "NOPERM"
	case prefix != "" && strings.Contains(text, "the cluster is down"):
		code = "CLUSTERDOWN"
	}
	switch {
	case code == "WRONGTYPE":
		return invalidValue(reply, "the key holds a type other than string (WRONGTYPE)")
	case strings.HasPrefix(text, "value is not an integer"):
		return invalidValue(reply, "the stored value is not a plain integer")
	case strings.HasPrefix(text, "increment or decrement would overflow"):
		return invalidValue(reply, "the sum is beyond the range of int64")
	}
	switch {
	case strings.HasPrefix(text, "No such master"):
		return driver.Reason(reply, "the Sentinels do not know the name in ?master_set")
	case strings.HasPrefix(text, "DB index is out of range"):
		return driver.Reason(reply, "the server has no database with the number in redis.Config.URL")
	case strings.HasPrefix(text, "unknown command"):
		return driver.Reason(reply, "the server does not know a command: it must be Redis or Valkey, 6.2 or later, and a Sentinel if the URL has ?master_set")
	}
	if !isErrorCode(code) {
		code = "ERR"
	}
	if hint := hints[code]; hint != "" {
		code += ": " + hint
	}
	return driver.Reason(reply, "the server refused with "+code)
}

// scriptPrefix matches the text that Redis 6.2 puts before the error of a command in a script. Later
// versions have no such prefix.
var scriptPrefix = regexp.MustCompile(`^(?:Error running script \(call to f_[0-9a-f]{40}\): )?@user_script: ?[0-9]+: -?(?:ERR )?`)

// isErrorCode reports whether word has the form of an error code of Redis.
func isErrorCode(word string) bool {
	for _, c := range word {
		if (c < 'A' || c > 'Z') && c != '_' {
			return false
		}
	}
	return word != "" && len(word) <= 30
}

// hints maps an error code to its meaning or its remedy.
var hints = map[string]string{
	"OOM":         "its maxmemory is reached",
	"READONLY":    "it is a replica; the stores need the primary",
	"NOREPLICAS":  "fewer replicas are connected than its min-replicas-to-write",
	"MISCONF":     "it cannot save to disk, and its settings then forbid writes",
	"LOADING":     "it is loading its data; try again later",
	"BUSY":        "it is running a long script; try again later",
	"CLUSTERDOWN": "its cluster has no primary for this key",
	"MOVED":       "it is a node of a cluster",
	"NOAUTH":      "it needs a password: set redis.Config.URL or Password",
	"WRONGPASS":   "the user or the password is wrong: check redis.Config.URL, Username and Password",
	"NOPERM":      "its ACL does not allow this user to use the command or the key",
}

// invalidValue returns an ErrInvalidValue with a reason.
func invalidValue(reply error, text string) error {
	return driver.Reason(fmt.Errorf("%w: %w", driver.ErrInvalidValue, reply), text)
}

// noReplyError returns the error for a call without a reply. It marks the error with [driver.Unknown]
// if the command may have been sent.
func (c *client) noReplyError(ctx context.Context, err error) error {
	var d *dialError
	switch {
	case errors.As(err, &d):
		return d.reason()
	case errors.Is(err, rueidis.ErrNoSlot): // rueidis returns it before it sends
		return driver.Reason(err, "the Cluster names no server for this key; try again later")
	case ctx.Err() != nil:
		err = c.endedError(ctx, "the server did not reply")
	case c.owned && errors.Is(err, context.DeadlineExceeded): // a handshake's deadline: calls hide theirs from rueidis
		return (&dialError{c.peer(), errConnTimeout}).reason()
	case c.lifetime.Err() != nil:
		err = driver.Reason(err, "the RedisKV was stopped before the reply came")
	default:
		err = driver.Reason(hideDeadline(err), "the connection to "+c.peer()+" was lost: "+networkReason(err))
	}
	return driver.Unknown(err)
}

// endedError returns the error of ctx, which has ended, with a reason. The parameter missing names the
// event that did not happen in time.
func (c *client) endedError(ctx context.Context, missing string) error {
	err := ctx.Err()
	if _, fromPool := ctx.(*timeoutContext); fromPool || errors.Is(context.Cause(ctx), errConfigTimeout) {
		return driver.Reason(err, fmt.Sprintf("%s within redis.Config.Timeout (%s)", missing, c.timeout))
	}
	return driver.Reason(err, missing+": "+err.Error())
}

// errConfigTimeout is the cause of a context that ended because of Config.Timeout.
var errConfigTimeout = errors.New("redis: Config.Timeout")

// hideDeadline replaces the timeout of a connection. Otherwise errors.Is would take the timeout for the
// end of the caller's context.
func hideDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errConnTimeout
	}
	return err
}

var errConnTimeout = driver.Reason(errors.New("redis: a connection timed out"), "timeout")

// A dialError says that no connection is ready, so the command was not sent.
type dialError struct {
	address string
	err     error
}

func (e *dialError) Error() string {
	return "no connection to " + e.address + ": " + networkReason(e.err)
}
func (e *dialError) Unwrap() error { return hideDeadline(e.err) }
func (e *dialError) reason() error { return driver.Reason(e, e.Error()) }

// networkReason returns the reason for a failed connection. The text contains only data of the network,
// never a key, a value or a password.
func networkReason(err error) string {
	if reason := driver.ReasonOf(err); reason != "" {
		return reason
	}
	var dns *net.DNSError
	var number syscall.Errno
	var certificate *tls.CertificateVerificationError
	var operation *net.OpError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &notTLS):
		return "it does not speak TLS"
	case errors.As(err, &certificate):
		return "TLS: " + certificate.Err.Error()
	case errors.As(err, &operation) && operation.Op == "remote error":
		return "TLS: " + operation.Error()
	case errors.As(err, &dns):
		return "no address for this host name"
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	switch text := err.Error(); text {
	case "EOF", "unexpected EOF":
		return "closed by the other side"
	default:
		if strings.HasPrefix(text, "received unknown message type") {
			return "its reply is not in the Redis protocol: it is not a Redis server"
		}
		if errors.Is(err, rueidis.ErrClosing) || errors.Is(err, net.ErrClosed) {
			return "closed"
		}
		return fmt.Sprintf("an error of type %T", err)
	}
}
