package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
)

// Every error is a ProblemError, also the errors of the mux and of the check of the origin.
func TestErrorsAreProblems(t *testing.T) {
	s := newSite(t, []string{"--rate-limit=0"})
	for _, test := range []struct {
		method, path string
		status       int
		allow, title string
	}{
		{"GET", "/none", 404, "", "no such route"},
		{"POST", "/users", 404, "", "no such route"},
		{"GET", "/users/", 404, "", "no such route"},
		{"DELETE", "/users/1", 405, "GET, HEAD, PUT", "this route has other methods: GET, HEAD, PUT"},
		{"GET", "/hits/home", 405, "POST", "this route has other methods: POST"},
		{"POST", "/", 405, "GET, HEAD", "this route has other methods: GET, HEAD"},
		{"POST", "/metrics", 405, "GET, HEAD", "this route has other methods: GET, HEAD"},
		{"GET", "/users/none", 404, "", "no such user"},
		{"POST", "/jobs/none", 404, "", "no such job"},
		{"POST", "/hits/none", 404, "", "no such page"},
		{"GET", "/me", 401, "", "not logged in"},
		{"PUT", "/users/1", 400, "", "the body must be the one JSON value that this route expects"},
	} {
		requireProblem(t, s.do(test.method, test.path, ""), test.status, test.title)
		require.Equal(t, test.allow, s.do(test.method, test.path, "").Header.Get("Allow"), "%s %s", test.method, test.path)
	}
	r := newRequest(s, "POST", "/logout")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	requireProblem(t, serve(s, r), 403, "a page of another origin must not change anything here")

	// The mux still redirects to the clean path.
	require.Equal(t, "/users/1", s.do("GET", "//users/1", "").Header.Get("Location"))
	require.Equal(t, "/none", s.do("GET", "//none", "").Header.Get("Location"))
}

func requireProblem(t *testing.T, answer *http.Response, status int, title string) {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, status, answer.StatusCode, string(text))
	require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"), string(text))
	var p ProblemError
	require.NoError(t, json.Unmarshal(text, &p), string(text))
	require.Equal(t, status, p.Status)
	require.Equal(t, title, p.Title)
	if title == "no such route" || status == 405 {
		require.Contains(t, p.Detail, "examples/server/README.md#routes")
	}
}

// The table in README.md has each route of the server, and no other.
func TestREADMEListsTheRoutes(t *testing.T) {
	var routes []Route
	newSite(t, nil, fx.Populate(&routes))
	var want []string
	for _, r := range routes {
		want = append(want, r.Pattern)
	}
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:GET|PUT|POST|DELETE|PATCH) [^`]*)` \\|").FindAllStringSubmatch(string(text), -1) {
		got = append(got, row[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got)
}
