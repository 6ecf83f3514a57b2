package codec

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// The engine reads fast and writes slowly: what the two would write alike,
// encoding/json writes. That takes a type that both understand in the same way (see
// shape.differs), and text that is UTF-8 and has none of the characters that
// encoding/json escapes and we don't. Where those were, its text has a \u or, from
// the encoding/json of GOEXPERIMENT=jsonv2, a U+FFFD.

// plainText returns the text of a value of such a type, or nil if the engine has to
// write it.
func plainText(v any) []byte {
	p := plains.Get().(*plain)
	err := p.Encode(v)
	text := p.text
	p.text = nil
	plains.Put(p)
	if err != nil {
		return nil
	}
	return text
}

// plain is an encoder that keeps a copy of the text, if it is the engine's too.
type plain struct {
	*json.Encoder
	text []byte
}

var plains = sync.Pool{New: func() any {
	p := new(plain)
	p.Encoder = json.NewEncoder(p)
	p.SetEscapeHTML(false)
	return p
}}

// Write gets the text of a value in one piece, with a newline after it.
func (p *plain) Write(line []byte) (int, error) {
	if !bytes.Contains(line, []byte(`\u`)) && !bytes.Contains(line, []byte("\ufffd")) {
		p.text = bytes.Clone(line[:len(line)-1])
	}
	return len(line), nil
}

// simpleText returns the text of the simplest values, or nil.
func simpleText(v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(nil, v)
	case int:
		return strconv.AppendInt(nil, int64(v), 10)
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case string:
		for i := range len(v) {
			if c := v[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
				return nil
			}
		}
		text := make([]byte, 0, len(v)+2)
		text = append(text, '"')
		text = append(text, v...)
		return append(text, '"')
	case json.RawMessage:
		text, err := jsontext.AppendFormat([]byte(nil), v, options)
		if err == nil {
			return text
		}
	}
	return nil
}
