package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// writeHead writes the conditions of a measurement: the command, the commit, the machine and the
// versions.
func writeHead(w io.Writer, title string) {
	fmt.Fprintf(w, "# %s\n\n", title)
	item := func(name, text string) { fmt.Fprintf(w, "- %s: %s\n", name, text) }
	item("command", "`"+strings.Join(os.Args, " ")+"`")
	item("date", time.Now().UTC().Format("2006-01-02 15:04 MST"))
	item("commit", commit())
	item("machine", fmt.Sprintf("%s, %d processors, %s of memory; load average when it began %s",
		procField("/proc/cpuinfo", "model name"), runtime.NumCPU(), procField("/proc/meminfo", "MemTotal"), procLine("/proc/loadavg")))
	item("system", fmt.Sprintf("%s/%s, kernel %s", runtime.GOOS, runtime.GOARCH, procLine("/proc/sys/kernel/osrelease")))
	item("Go", runtime.Version())
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GODEBUG"} {
		if text := os.Getenv(name); text != "" {
			item(name, text)
		}
	}
	var peers []string
	for _, c := range contenders[1:] {
		peers = append(peers, c.title())
	}
	item("peers", strings.Join(peers, ", "))
	fmt.Fprintln(w)
}

// title returns the contender's name and version.
func (c contender) title() string { return strings.TrimSpace(c.name + " " + version(c.module)) }

// version returns the version of a module in this program, or "" for the standard library and for
// MemoryKV.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == module && dep.Replace == nil && dep.Version != "(devel)" {
			return strings.TrimSuffix(strings.TrimPrefix(dep.Version, "v"), "+incompatible")
		}
	}
	return ""
}

// commit returns the commit of the working tree, in which the program must be built and run.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// procField returns the value of a field in a file of /proc.
func procField(file, name string) string {
	text, _ := os.ReadFile(file)
	_, after, _ := strings.Cut(string(text), name)
	line, _, _ := strings.Cut(strings.TrimLeft(after, "\t :"), "\n")
	return cmp.Or(strings.TrimSpace(line), "unknown "+name)
}

// procLine returns the first line of a file of /proc.
func procLine(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return cmp.Or(line, "unknown")
}
