//go:build race

package main

// raceEnabled makes the tests build the server with the race detector, like the tests.
const raceEnabled = true
