package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/kvmodule"
	"github.com/zelt-go/kv/memory"
)

// The first service of the README prints one line and ends on Ctrl-C.
func TestFirstServiceEndsOnCtrlC(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "first")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))

	// fx listens for signals shortly after the line. On a slow machine the first tries
	// may come too early and kill the process.
	var ended error
	for pause := 50 * time.Millisecond; pause < 10*time.Second; pause *= 4 {
		var line string
		if line, ended = interrupted(t, binary, pause); ended == nil {
			assert.Equal(t, "visit 1\n", line)
			return
		}
	}
	assert.NoError(t, ended, "exit code 0")
}

// interrupted runs binary, waits for its first line and a pause, and sends a Ctrl-C.
func interrupted(t *testing.T, binary string, pause time.Duration) (line string, ended error) {
	cmd := exec.Command(binary)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	hung := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer hung.Stop()
	line, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	time.Sleep(pause)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	return line, cmd.Wait()
}

func TestVisitsOnAnotherAdaptor(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	tenant, err := kv.Namespace("tenant-1")
	require.NoError(t, err)

	var visits *Visits
	app := fxtest.New(t, kvmodule.Module, kvmodule.ReplaceAdaptor(tenant), fx.Provide(NewVisits), fx.Populate(&visits))
	app.RequireStart()
	require.NoError(t, visits.Count(t.Context()))
	app.RequireStop()

	store, err := tenant.Namespace("visits")
	require.NoError(t, err)
	n, _, err := adaptor.Get[int](t.Context(), store, "home")
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestCount(t *testing.T) {
	kv, err := memory.New(memory.Config{})
	require.NoError(t, err)
	visits, err := NewVisits(kv)
	require.NoError(t, err)
	require.NoError(t, visits.Count(t.Context()))

	store, err := kv.Namespace("visits")
	require.NoError(t, err)
	n, found, err := adaptor.Get[int](t.Context(), store, "home")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, 1, n)
}
