package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// number formats x with three significant digits.
func number(x float64) string {
	if x == 0 {
		return "0" // instead of "-0"
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(x))))
	text := strconv.FormatFloat(x, 'f', max(decimals, 0), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return grouped(text)
}

// count formats an integer.
func count(n int) string { return grouped(strconv.Itoa(n)) }

// grouped inserts commas between thousands.
func grouped(text string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

// amount formats x with its unit.
func amount(x float64, unit string) string {
	if unit == "×" {
		return number(x) + unit
	}
	return number(x) + " " + unit
}

// spread formats the smallest and the largest value. It returns "" if they are equal.
func (s summary) spread() string {
	if s.min == s.max {
		return ""
	}
	return fmt.Sprintf(" (%s–%s)", number(s.min), number(s.max))
}

// writeTable writes a Markdown table.
func writeTable(w io.Writer, head []string, rows [][]string) {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}
