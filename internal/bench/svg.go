package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// A chart is a picture. Its panels are drawn one below the other and share their axes.
type chart struct {
	title   string
	caption string
	x, y    axis
	legend  []string // names of the lines, in the order of their colors
	panels  []panel
}

type panel struct {
	title  string
	height float64
	lines  [][]point // in the order of the legend
	marks  bool      // draw a mark at each point
}

type point struct{ x, y float64 }

type axis struct {
	label    string
	min, max float64
	log      bool
}

// Lengths of a picture, in pixels.
const (
	width  = 760.0
	left   = 64.0
	right  = 16.0
	top    = 56.0
	gap    = 26.0 // between panels
	bottom = 58.0
)

// Colors that color-blind readers can distinguish, on a white and on a black background.
var colours = []string{"#2f81f7", "#e36209", "#2da44e", "#a371f7", "#bf8700", "#db61a2"}

const style = `text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}.small{font-size:11px}` +
	`.grid{stroke:#8c959f;stroke-opacity:.3}.line{fill:none;stroke-linejoin:round}` +
	`@media(prefers-color-scheme:dark){text{fill:#e6edf3}}`

// svg returns the chart as an SVG document.
func (c chart) svg() string {
	height := top + bottom
	for _, p := range c.panels {
		height += p.height + gap
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img">`+"\n<style>%s</style>\n", width, height, style)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(c.title))
	text(&b, left, 20, "title", "start", c.title)
	c.drawLegend(&b)
	y := top + gap
	for _, p := range c.panels {
		c.drawPanel(&b, p, y)
		y += p.height + gap
	}
	y -= gap
	for _, tick := range c.x.ticks() {
		text(&b, c.px(tick), y+16, "", "middle", tickLabel(tick))
	}
	text(&b, (left+width-right)/2, y+32, "", "middle", c.x.label)
	text(&b, left, y+52, "small", "start", c.caption)
	b.WriteString("</svg>\n")
	return b.String()
}

func (c chart) drawLegend(b *strings.Builder) {
	x := left
	for i, name := range c.legend {
		fmt.Fprintf(b, `<path class="line" stroke="%s" stroke-width="3" d="M%g %gh18"/>`+"\n", colours[i], x, top-16)
		text(b, x+24, top-12, "", "start", name)
		x += 40 + 7.5*float64(len(name))
	}
}

func (c chart) drawPanel(b *strings.Builder, p panel, y float64) {
	place := func(v float64) float64 { return y + p.height*(1-c.y.share(v)) }
	title := c.y.label
	if p.title != "" {
		title = p.title + " – " + title
	}
	text(b, left, y-8, "small", "start", title)
	for _, tick := range c.y.ticks() {
		fmt.Fprintf(b, `<path class="grid" d="M%g %.1fH%g"/>`+"\n", left, place(tick), width-right)
		text(b, left-6, place(tick)+4, "", "end", tickLabel(tick))
	}
	for _, tick := range c.x.ticks() {
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %gv%g"/>`+"\n", c.px(tick), y, p.height)
	}
	for i, line := range p.lines {
		fmt.Fprintf(b, `<polyline class="line" stroke="%s" stroke-width="1.4" points="`, colours[i])
		for _, at := range line {
			fmt.Fprintf(b, "%.1f,%.1f ", c.px(at.x), place(at.y))
		}
		b.WriteString(`"/>` + "\n")
		if p.marks {
			for _, at := range line {
				fmt.Fprintf(b, `<circle r="3" fill="%s" cx="%.1f" cy="%.1f"/>`+"\n", colours[i], c.px(at.x), place(at.y))
			}
		}
	}
}

func (c chart) px(x float64) float64 { return left + (width-left-right)*c.x.share(x) }

func text(b *strings.Builder, x, y float64, class, anchor, content string) {
	fmt.Fprintf(b, `<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, anchor, x, y, html.EscapeString(content))
}

// share returns the position of v between min and max, as a number from 0 to 1.
func (a axis) share(v float64) float64 {
	from, to := a.min, a.max
	v = min(max(v, from), to)
	if a.log {
		v, from, to = math.Log(v), math.Log(from), math.Log(to)
	}
	return (v - from) / (to - from)
}

// ticks returns powers of ten for a logarithmic axis, otherwise about six round numbers.
func (a axis) ticks() []float64 {
	var ticks []float64
	if a.log {
		for e := math.Ceil(math.Log10(a.min) - 1e-9); e <= math.Log10(a.max)+1e-9; e++ {
			ticks = append(ticks, math.Pow(10, e))
		}
		return ticks
	}
	step := roundStep((a.max - a.min) / 6)
	for i := math.Ceil(a.min/step - 1e-9); i*step <= a.max+1e-9*step; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

// roundStep rounds step up to 1, 2 or 5 times a power of ten.
func roundStep(step float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(step)))
	for _, n := range []float64{1, 2, 5} {
		if n*unit >= step {
			return n * unit
		}
	}
	return 10 * unit
}

// tickLabel formats a number, with k for thousands and M for millions.
func tickLabel(v float64) string {
	switch {
	case math.Abs(v) >= million:
		return number(v/million) + "M"
	case math.Abs(v) >= thousand:
		return number(v/thousand) + "k"
	}
	return number(v)
}
