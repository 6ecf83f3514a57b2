package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/internal/redistest"
)

var screenshots = flag.String("screenshots", "", "directory for the pictures that TestPage takes")

// browser is a real browser with one tab.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// newBrowser starts Chromium with its network services off.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Fatal("no Chromium is installed, and this test needs a real browser: apt-get install chromium")
	}
	dir, err := os.MkdirTemp("", "chromium")
	require.NoError(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		closeTab()
		end()
		for range 100 { // its child processes still write for a moment
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	require.NoError(t, chromedp.Do(ctx)) // starts the browser until ctx ends
	return &browser{t, ctx}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, actions...))
}

// waitFor waits until an expression is true.
func (b *browser) waitFor(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond)))
	if err != nil {
		b.t.Fatalf("%v\nwaiting for %s\non the page:\n%s", err, expression, eval[string](b, "document.body.innerText"))
	}
}

// waitForText waits until an element shows a text.
func (b *browser) waitForText(id, text string) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf("document.getElementById(%q)?.textContent.includes(%q)", id, text))
}

// press clicks a button.
func (b *browser) press(label string) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf(`[...document.querySelectorAll("button")].some((b) => b.textContent === %q && !b.disabled)`, label))
	b.do(chromedp.Click(fmt.Sprintf(`//button[text()=%q]`, label)))
}

func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err)
	return value
}

// scheme sets the color scheme that the user prefers: light or dark.
func (b *browser) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	require.NoError(b.t, err)
}

// Each button of the page works, and the numbers change.
func TestPage(t *testing.T) {
	everywhere(t, func(t *testing.T, env ...string) {
		p := start(t, append(env, "NAME=replica-1", "RATE_LIMIT=20", "RATE_WINDOW=3s", "KV_GC_INTERVAL=500ms", "JOB_TAKES=1500ms")...)
		b := newBrowser(t)
		b.do(chromedp.EmulateViewport(1100, 900))
		b.do(chromedp.Navigate(p.url))
		b.waitForText("status", "live: replica-1")
		b.waitForText("rate-limit", "20")

		b.press("Count a hit")
		b.waitForText("answers", `200 POST /hits/home: {"hits":1}`)
		b.waitForText("left", "19 of 20 remain, reset in")
		b.waitForText("rate-allowed", "1")
		b.press("30 hits in parallel")
		b.waitForText("answers", "429 30 × POST /hits/home")
		b.waitFor(`document.getElementById("left").textContent.startsWith("0 of 20 remain")`)
		b.waitFor(`Number(document.getElementById("rate-refused").textContent) >= 10`)
		b.press("Who am I?")
		b.waitForText("answers", "429 GET /me: too many requests · retry after")
		b.waitFor(`document.querySelectorAll("#chart .bad").length > 0`)

		b.waitForText("left", "20 of 20 remain") // in the next window
		b.press("Read user 1")
		b.waitForText("answers", "cache: fwd=miss; stored")
		b.press("Read user 1")
		b.waitForText("answers", "cache: hit")
		b.waitForText("cache-misses", "1")
		b.waitForText("cache-hits", "1")
		b.press("Rename user 1")
		b.waitForText("answers", "Ada Byron")

		b.press("Who am I?")
		b.waitForText("answers", "401 GET /me: not logged in")
		b.press("Log in")
		b.waitForText("answers", "200 POST /login")
		b.press("Who am I?")
		b.waitForText("answers", `200 GET /me: {"user":"ada"}`)
		require.Empty(t, eval[string](b, "document.cookie"), "no script sees the cookie")
		b.press("Log out")
		b.waitForText("answers", "204 POST /logout: done")
		b.waitForText("logins", "1")
		b.waitForText("logouts", "1")

		b.press("Run report")
		b.waitForText("job-report", "replica-1, ")
		b.waitForText("job-report", " s left")
		got, err := send(newClient(t), "POST", p.url+"/jobs/report", "")
		require.NoError(t, err)
		require.Equal(t, 409, got.status)
		b.waitForText("answers", `200 POST /jobs/report: {"job":"report","holder":"replica-1"}`)
		b.waitForText("job-report", "free")

		if len(env) == 0 {
			b.waitForText("store", "memory")
			b.waitFor(`Number(document.getElementById("entries").textContent) > 0`)
			b.waitFor(`Number(document.getElementById("expired").textContent) > 0`)
			sweeps := eval[string](b, `document.getElementById("sweeps").textContent`)
			b.waitFor(`document.getElementById("sweeps").textContent !== "` + sweeps + `"`)
			b.waitFor(`/[µm]s$/.test(document.getElementById("last-sweep").textContent)`)
			picture(b, p)
		} else {
			b.waitForText("store", "Redis")
			require.True(t, eval[bool](b, `getComputedStyle(document.getElementById("memory")).display === "none"`))
		}
	})
}

// picture takes the screenshots if -screenshots is set. They show traffic on the chart and a running job.
func picture(b *browser, p *process) {
	if *screenshots == "" {
		return
	}
	c := newClient(b.t)
	for i := range 24 { // 12 seconds of traffic
		for range i % 7 {
			_, _ = send(c, "POST", p.url+"/hits/home", "")
		}
		time.Sleep(500 * time.Millisecond)
	}
	b.waitForText("left", "20 of 20 remain") // in the next window
	b.press("Run report")
	b.press("30 hits in parallel")
	b.waitForText("job-report", "replica-1, ")
	b.waitForText("answers", "30 × POST")
	b.do(chromedp.Evaluate[chromedp.Void]("document.activeElement.blur()"))
	for _, picture := range []struct {
		name, scheme string
		width        int64
	}{
		{"screenshot.png", "light", 1000}, {"dark.png", "dark", 1000}, {"phone.png", "light", 390}, {"phone-dark.png", "dark", 320},
	} {
		b.scheme(picture.scheme)
		b.do(chromedp.EmulateViewport(picture.width, 800))
		png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		require.NoError(b.t, err)
		require.NoError(b.t, os.WriteFile(filepath.Join(*screenshots, picture.name), png, 0o666))
	}
}

// faults finds elements that are cut, overlap or have a low contrast.
const faults = `(() => {
	const list = [], name = (e) => e.tagName + "#" + e.id + " " + e.textContent.trim().slice(0, 30);
	const shown = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest("svg"));
	for (const e of shown) {
		const box = e.getBoundingClientRect();
		if (box.left < 0 || box.right > innerWidth + .5) list.push("beyond the edge: " + name(e));
		if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth && e.tagName !== "INPUT") list.push("cut: " + name(e));
	}
	const leaves = shown.filter((e) => ["BUTTON", "INPUT", "DD", "DT", "H1", "H2", "LI", "METER", "LABEL", "FIGURE"].includes(e.tagName));
	const boxes = leaves.map((e) => [e, e.getBoundingClientRect()]);
	boxes.forEach(([a, p], i) => boxes.slice(0, i).forEach(([b, q]) => {
		const over = p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1;
		if (over && !a.contains(b) && !b.contains(a)) list.push("overlap: " + name(a) + " / " + name(b));
	}));
	const light = (color) => {
		const [r, g, b] = color.match(/[\d.]+/g).map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
		return .2126 * r + .7152 * g + .0722 * b;
	};
	const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c; } return "rgb(255, 255, 255)"; };
	for (const e of shown) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => b - a);
		if ((a + .05) / (b + .05) < 4.5) list.push("low contrast: " + name(e));
	}
	return list;
})()`

// At each width, in light and dark, every element of the page is visible and readable.
func TestPageLayout(t *testing.T) {
	p := start(t, "NAME=a-replica-with-quite-a-long-name-7d9f8b6c5d-x2x4z", "RATE_LIMIT=3")
	b := newBrowser(t)
	b.do(chromedp.Navigate(p.url))
	b.waitForText("status", "live")
	for range 2 {
		b.press("Read user 1")
	}
	b.press("30 hits in parallel")
	b.waitForText("answers", "30 × POST")
	c := newClient(t)
	go func() { _, _ = send(c, "POST", p.url+"/jobs/report?takes=60s", "") }()
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, width := range []int64{320, 390, 600, 820, 1100, 1920} {
			b.do(chromedp.EmulateViewport(width, 800))
			require.Empty(t, eval[[]string](b, faults), "%s, %d", scheme, width)
		}
	}
	// The check finds planted faults.
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("h1").style.cssText = "position: fixed; left: -9px; color: #333"`))
	require.Contains(t, strings.Join(eval[[]string](b, faults), "\n"), "beyond the edge: H1")
	require.Contains(t, strings.Join(eval[[]string](b, faults), "\n"), "low contrast: H1")
}

// The keyboard reaches and operates each control, and the focus is visible.
func TestPageByKeyboard(t *testing.T) {
	p := start(t)
	b := newBrowser(t)
	b.do(chromedp.Navigate(p.url))
	b.waitForText("status", "live")
	const controls = `document.querySelectorAll("button, input, a").length`
	reached := map[string]bool{}
	for range eval[int](b, controls) {
		b.do(chromedp.KeyEvent("\t"))
		reached[eval[string](b, `document.activeElement.textContent.trim() || document.activeElement.id`)] = true
		require.Equal(t, "solid", eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`))
	}
	require.Len(t, reached, eval[int](b, controls), "each control gets the focus once: %v", reached)

	b.do(chromedp.Focus("#user"))
	b.do(chromedp.KeyEvent("grace\r"))
	b.waitForText("answers", `200 POST /login: {"user":"grace"}`)
	b.do(chromedp.Focus(`//button[text()="Count a hit"]`))
	b.do(chromedp.KeyEvent("\r"))
	b.waitForText("answers", `{"hits":1}`)
	b.waitFor(`document.activeElement.textContent === "Count a hit"`)
	b.do(chromedp.KeyEvent("\r"))
	b.waitForText("answers", `{"hits":2}`)
}

// The meter shows the newest window, whatever the order of the answers. It shows the whole limit when the
// window has ended, and a new limit after a login.
func TestPageMeterShowsTheNewestWindow(t *testing.T) {
	p := start(t)
	b := newBrowser(t)
	b.do(chromedp.Navigate(p.url))
	b.waitForText("status", "live")
	// answer makes the next requests of the page get answers with these header values, in this order.
	answer := func(rates ...string) {
		b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
			const rates = %q.split(" "), answers = [];
			window.fetch = () => new Promise((resolve) => {
				answers.push(resolve);
				if (answers.length < rates.length) return;
				answers.forEach((resolve, i) => setTimeout(() => resolve(new Response("{}", { headers: {
					"RateLimit-Policy": '"default";q=20;w=9', "RateLimit": '"default";' + rates[i],
				} })), 20 * i));
			});
		})()`, strings.Join(rates, " "))))
	}
	shows := func(remaining int) {
		t.Helper()
		b.waitFor(fmt.Sprintf(`document.getElementById("left").textContent.startsWith("%d of 20 remain, reset in")`, remaining))
		require.Equal(t, remaining, eval[int](b, `document.getElementById("remaining").value`))
	}
	many := make([]string, 30) // one window, in disorder
	for i := range many {
		many[i] = fmt.Sprintf("r=%d;t=9", 3+(i*7)%30%17)
	}
	answer(many...)
	b.press("30 hits in parallel")
	b.waitForText("answers", "30 × POST")
	shows(3)
	late := slices.Repeat([]string{"r=19;t=99"}, 29) // the answer of an earlier window comes last
	answer(append(late, "r=0;t=1")...)
	b.press("30 hits in parallel")
	b.waitFor(`document.getElementById("answers").textContent.split("30 × POST").length === 3`)
	shows(19)
	answer("r=18;t=99")
	b.press("Log in")
	shows(18)
	answer("r=19;t=1") // of the session
	b.press("Count a hit")
	shows(19)
	b.waitFor(`document.getElementById("left").textContent === "20 of 20 remain"`)
	require.Equal(t, 20, eval[int](b, `document.getElementById("remaining").value`))
}

// A server without jobs has a page that works.
func TestPageWithoutJobs(t *testing.T) {
	p := start(t, "JOBS=", "NAME=replica-1")
	b := newBrowser(t)
	b.do(chromedp.Navigate(p.url))
	b.waitForText("status", "live: replica-1")
	b.waitForText("no-jobs", "This server has no jobs.")
	require.True(t, eval[bool](b, `document.getElementById("no-jobs").checkVisibility()`))
}

// The page reports when its server or the store does not answer, and continues when they answer again.
func TestPageFindsItsServerAgain(t *testing.T) {
	redis := redistest.Start(t)
	env := []string{"KV_URL=" + redis.URL(), "NAME=first", "DRAIN=0s"}
	p := start(t, env...)
	b := newBrowser(t)
	b.do(chromedp.Navigate(p.url))
	b.waitForText("status", "live: first")
	redis.Kill()
	b.waitForText("status", "the store does not answer")
	redis.Restart()
	b.waitForText("status", "live: first")
	p.signal(syscall.SIGTERM)
	require.Equal(t, exitOK, p.wait())
	b.waitForText("status", "not connected")
	b.press("Count a hit")
	b.waitForText("answers", "no answer: is the server there?")
	start(t, append(env, "NAME=second", "ADDR="+strings.TrimPrefix(p.url, "http://"))...)
	b.waitForText("status", "live: second")
}
