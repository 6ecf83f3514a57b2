package main

import "strings"

const valueLength = 64

// sampleValue is the value of each entry in all stores.
var sampleValue = value(valueLength)

// value returns a JSON text without spaces. length is in bytes, and at least 40.
func value(length int) []byte {
	const head, tail = `{"id":1234567,"on":true,"name":"`, `"}`
	return []byte(head + strings.Repeat("x", length-len(head)-len(tail)) + tail)
}

// intact reads the last byte of a value, and reports whether it is correct.
func intact(value []byte) bool { return value[len(value)-1] == '}' }

// A user is the value of the typed workloads: about 140 bytes of JSON.
type user struct {
	ID     int64    `json:"id"`
	Name   string   `json:"name"`
	Email  string   `json:"email"`
	Roles  []string `json:"roles"`
	Active bool     `json:"active"`
	Visits int      `json:"visits"`
	Score  float64  `json:"score"`
}

var sampleUser = user{
	ID:     1234567,
	Name:   "Ada Lovelace",
	Email:  "ada.lovelace@example.com",
	Roles:  []string{"admin", "editor"},
	Active: true,
	Visits: 1815,
	Score:  97.25,
}
