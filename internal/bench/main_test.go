package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestInvalidFlags(t *testing.T) {
	for args, text := range map[string]string{
		"x":                         `unexpected argument "x"`,
		"-table -growth":            "exclude each other",
		"-collections -growth":      "exclude each other",
		"-rounds 0":                 "-rounds must be at least 1",
		"-time 0s":                  "-time must be positive",
		"-peer otter":               "belong to -workload",
		"-nothing":                  "-nothing",
		"-bar nothing":              `no bar matches "nothing"`,
		"-bar (":                    "-bar:",
		"-workload x":               `no workload "x"`,
		"-workload fill -peer x":    `no store "x"`,
		"-workload fill -entries 0": "0 entries",
	} {
		err := run(context.Background(), strings.Fields(args), io.Discard, io.Discard)
		assert.ErrorContains(t, err, text, args)
	}
}

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	assert.ErrorIs(t, run(context.Background(), []string{"-h"}, io.Discard, &help), flag.ErrHelp)
	assert.Contains(t, help.String(), "-rounds")
}

func TestHead(t *testing.T) {
	var head bytes.Buffer
	writeHead(&head, "T")
	for _, text := range []string{"# T", "commit", "kernel", "go1."} {
		assert.Contains(t, head.String(), text)
	}
}
