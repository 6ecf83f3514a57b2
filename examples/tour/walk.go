package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// walk does steps, prints them, and counts the steps that were not as promised. After the
// end of its context it does no more steps.
type walk struct {
	ctx         context.Context
	out         io.Writer
	steps       int
	differences int
}

// section prints a heading and does the steps of body.
func (w *walk) section(title string, body func()) {
	if w.ctx.Err() != nil {
		return
	}
	if w.steps > 0 {
		fmt.Fprintln(w.out)
	}
	fmt.Fprintln(w.out, title)
	body()
}

// step prints a call and its result, and the expected result if it differs.
func (w *walk) step(did, got, want string, asPromised bool) {
	if w.ctx.Err() != nil {
		return
	}
	w.steps++
	if asPromised {
		fmt.Fprintf(w.out, "  ✓ %-58s %s\n", did, got)
		return
	}
	w.differences++
	fmt.Fprintf(w.out, "  ✗ %-58s expected %s, got %s\n", did, want, got)
}

// remark prints a line that is not a step.
func (w *walk) remark(text string) {
	if w.ctx.Err() == nil {
		fmt.Fprintln(w.out, "  –", text)
	}
}

// ok checks a call that returns only an error, for example store.Del.
func (w *walk) ok(did string) func(error) {
	return func(err error) {
		w.step(did, result("ok", err), "ok", err == nil)
	}
}

// returns checks a call that returns a value: returns(w, "Incr …", 1)(store.Incr(…)).
func returns[T comparable](w *walk, did string, want T) func(T, error) {
	return func(got T, err error) {
		w.step(did, result(show(got), err), show(want), err == nil && got == want)
	}
}

// finds checks a call that finds a value, for example Get.
func finds[T comparable](w *walk, did string, want T) func(T, bool, error) {
	return func(got T, found bool, err error) {
		text := "not found"
		if found {
			text = show(got)
		}
		w.step(did, result(text, err), show(want), err == nil && found && got == want)
	}
}

// misses checks a call that finds no value.
func misses[T any](w *walk, did string) func(T, bool, error) {
	return func(got T, found bool, err error) {
		text := "not found"
		if found {
			text = show(got)
		}
		w.step(did, result(text, err), "not found", err == nil && !found)
	}
}

// within checks a call that returns a remaining time, which is positive and at most limit.
func (w *walk) within(did string, limit time.Duration) func(time.Duration, bool, error) {
	return func(left time.Duration, found bool, err error) {
		text := "not found"
		if found {
			text = left.Round(time.Millisecond).String()
		}
		want := "more than 0 and at most " + limit.String()
		w.step(did, result(text, err), want, err == nil && found && 0 < left && left <= limit)
	}
}

// secret is part of each key and value that an error could reveal.
const secret = "hunter2"

// fails checks a call that returns an error with the given code, whose text reveals neither
// key nor value.
func (w *walk) fails(did string, code adaptor.Code) func(error) {
	return func(err error) {
		text := "no error"
		if err != nil {
			text = err.Error()
		}
		asPromised := adaptor.CodeOf(err) == code && strings.Contains(text, string(code)) && !strings.Contains(text, secret)
		w.step(did, text, string(code)+" and no secret", asPromised)
	}
}

// eventually waits until done returns true, for five seconds at most.
func (w *walk) eventually(did string, done func() (bool, error)) {
	begin := time.Now()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := done()
		if yes || err != nil {
			text := fmt.Sprintf("after %v", time.Since(begin).Round(time.Millisecond))
			w.step(did, result(text, err), "it to happen", err == nil)
			return
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			return
		case <-deadline:
			w.step(did, "nothing for 5s", "it to happen", false)
			return
		}
	}
}

// gone waits until a key has expired.
func (w *walk) gone(did string, store *adaptor.AtomicKVStore, key string) {
	w.eventually(did, func() (bool, error) {
		found, err := store.Has(w.ctx, key)
		return !found, err
	})
}

func result(text string, err error) string {
	if err != nil {
		return err.Error()
	}
	return text
}

func show(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%+v", v)
}
