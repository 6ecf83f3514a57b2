# `make test` is what CI runs. It needs Go, git and make; the race detector needs a C
# compiler, and some tests a Redis server and a browser, which are installed where that can be done.

GO      ?= go
MODULES := . adaptor/redis adaptor/redis/internal/bench examples internal/bench internal/tools
BIN     := $(CURDIR)/bin

.PHONY: test before after cc servers browser format vet lint tidy pristine race narrow cross tour rehearse soak verify fuzz bench bench-redis load microbench mutants clean

test: before cc servers browser format vet lint tidy pristine race narrow cross tour rehearse after

# The state of the work tree: its changed and untracked files, and their differences from HEAD.
tree = { git status --porcelain; git diff HEAD; }

# `make test` changes no file of the work tree: after compares with before.
before:
	@mkdir -p $(BIN) && $(tree) > $(BIN)/tree.before

after:
	@$(tree) > $(BIN)/tree.after; diff $(BIN)/tree.before $(BIN)/tree.after || { \
	  echo 'make: the work tree has changed since make test began (see the lines above): commit the change, or stop its cause' >&2; exit 1; }

# $(call install,program,what it is,what for,Debian's packages) installs a program if it is missing.
install = @command -v $(1) >/dev/null 2>&1 || { \
	  echo 'no $(2), which $(3): installing $(4)'; \
	  if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(4); \
	  else \
	    echo 'make: install $(2) first (Debian: apt-get install $(4))' >&2; exit 1; \
	  fi; }

cc:
	$(call install,$$($(GO) env CC),C compiler,go test -race links with,gcc libc6-dev)

# The tests start servers of their own; a server that the package may have started stays alone.
servers:
	$(call install,redis-server,redis-server,the tests of adaptor/redis start,redis-server redis-tools)

browser:
	$(call install,chromium,Chromium,the page of examples/server is tested in,chromium)

format:
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not formatted by gofmt:"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet work
	cd internal/tools && GOWORK=off $(GO) vet ./...

# The linters, pinned in internal/tools, which is not part of the workspace: its needs are its own.
# errname: LoadPanic keeps its name, because programs use it. bodyclose: the tests of examples/server
# read recorded answers, whose bodies need no Close. errorlint: a type switch looks at an error without
# the errors that it wraps, on purpose.
LINTERS := honnef.co/go/tools/cmd/staticcheck mvdan.cc/unparam github.com/gordonklaus/ineffassign \
	github.com/Antonboom/errname github.com/polyfloyd/go-errorlint github.com/timakin/bodyclose \
	github.com/golangci/misspell/cmd/misspell
findings = @echo '$(1)'; out=$$( $(1) 2>&1 | grep -v -e '^\#' -e '^$$' $(2) || true); if [ -n "$$out" ]; then echo "$$out"; exit 1; fi

lint:
	@mkdir -p $(BIN)
	cd internal/tools && GOWORK=off $(GO) build -o $(BIN)/ $(LINTERS)
	$(BIN)/staticcheck $$($(GO) list work)
	cd internal/tools && GOWORK=off $(BIN)/staticcheck ./...
	$(BIN)/unparam $$($(GO) list work)
	$(BIN)/ineffassign $$($(GO) list work)
	$(BIN)/go-errorlint -asserts=false $$($(GO) list work)
	$(BIN)/misspell -error $$(git ls-files '*.go' '*.md' '*.js' '*.html' Makefile)
	$(call findings,$(BIN)/errname $$($(GO) list work),-e 'error type name `LoadPanic`')
	$(call findings,$(GO) vet -vettool=$(BIN)/bodyclose work,-e '_test.go:')

tidy:
	@for m in $(MODULES); do \
	  echo "$(GO) mod tidy -diff ($$m)"; \
	  (cd $$m && GOWORK=off $(GO) mod tidy -diff) || exit 1; \
	done

# Go's commands that users run in a clone change no file there: go.work.sum has all sums that they need.
pristine:
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; git clone -q . "$$dir/kv"; cd "$$dir/kv"; \
	for command in 'doc ./adaptor' 'doc ./adaptor/redis' 'list -m all' 'mod download'; do \
	  echo "$(GO) $$command (in a clone of HEAD)"; \
	  $(GO) $$command > "$$dir/output" 2>&1 || { cat "$$dir/output"; exit 1; }; \
	  if [ -n "$$(git status --porcelain)" ]; then \
	    git status --porcelain; git diff; \
	    echo 'make: "$(GO) '"$$command"'" has changed these files in a clone of HEAD: run it here, and commit the change' >&2; exit 1; \
	  fi; \
	done

race:
	CGO_ENABLED=1 $(GO) test -race -timeout 20m work

# On 32 bits, where there is no race detector; without the planted bugs.
narrow:
	CGO_ENABLED=0 GOARCH=386 $(GO) test -short -skip 'FindBugs|DoNotDecide|Mutants' ./...

# The public modules, with their tests, for other systems: vet checks the types of the tests. The examples, without
# their tests, for two systems of developers: the tests use Unix signals and a browser.
CROSS := windows/amd64 darwin/arm64 linux/386 freebsd/amd64 js/wasm
cross:
	@set -e; for target in $(CROSS); do \
	  echo "$(GO) build, $(GO) vet ($$target)"; \
	  export CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/}; \
	  $(GO) build ./... ./adaptor/redis/...; \
	  $(GO) vet ./... ./adaptor/redis/...; \
	  case $$target in windows/*|darwin/*) $(GO) build ./examples/...;; esac; \
	done

# Installs HEAD, packed as a release, in empty folders: see internal/tools/rehearse.
rehearse: servers
	cd internal/tools && GOWORK=off $(GO) build -o $(BIN)/rehearse ./rehearse
	$(BIN)/rehearse .

tour:
	$(GO) run ./examples/tour

# The hostile load, twice at a time: without and with a limit for Go's heap.
SOAK ?= 10m
soak:
	$(GO) test -c -o $(BIN)/memory.test ./memory
	GOMEMLIMIT=400MiB $(BIN)/memory.test -test.v -test.run '^TestHostile$$' -test.timeout 60m -hostile $(SOAK) & \
	$(BIN)/memory.test -test.v -test.run '^TestHostile$$' -test.timeout 60m -hostile $(SOAK); \
	status=$$?; wait $$! && exit $$status

# The long run of the models: minutes.
verify: servers
	$(GO) test ./memory -timeout 60m -run '^TestHistories$$' -histories 1000
	$(GO) test ./memory -timeout 60m -run '^TestSequences$$' -rapid.checks=20000
	$(GO) test ./memory -timeout 60m -v -run '^TestKeysWhileOthersWrite$$' -scanned 1000000
	$(GO) test ./adaptor/redis -timeout 60m -v -run '^TestKeysOfACluster$$' -scanned 100000
	$(GO) test ./adaptor/redis -timeout 60m -v -run '^TestGetManyIsFaster$$' -ratio 20
	$(GO) test ./adaptor/redis -timeout 60m -run '^TestHistories$$' -histories 100
	$(GO) test ./adaptor/redis -timeout 60m -v -run '^TestKill$$' -kills 20
	$(GO) test ./adaptor/redis -timeout 60m -v -failovers -run '^(TestFailover|TestCutOff)'
	$(GO) test ./adaptor/redis -timeout 60m -run '^TestLimit.*EqualsTheExactModel$$' -limit.histories 1000
	$(GO) test ./adaptor/redis -timeout 60m -v -run '^TestLimitOfTwoProcesses$$' -limit.for 60s
	$(GO) test ./adaptor/redis -timeout 60m -v -run '^TestLimitLeavesNothing$$' -limit.clients 10000000
	$(GO) test ./kvmodule/limit -timeout 60m -v -run '^TestMemoryReturns$$' -limit.clients 10000000
	$(GO) test ./examples/server -timeout 60m -v -run '^TestExactlyTheLimit$$' -windows 100
	$(GO) test ./examples/server -timeout 60m -v -run '^TestNeverTwoHolders$$' -deaths 1000

# Each fuzz target for FUZZTIME.
FUZZTIME ?= 1m
fuzz:
	@set -e; for target in FuzzKey:./adaptor/driver FuzzAdd:./adaptor/driver FuzzValue:./internal/codec FuzzTextRoundTrip:./internal/codec FuzzExact:./internal/codec FuzzSequence:./memory; do \
	  echo "$$target"; \
	  $(GO) test "$${target#*:}" -run '^$$' -fuzz "^$${target%%:*}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x; \
	done

# The bars, against other stores: about ten minutes. See internal/bench.
bench:
	$(GO) build -o $(BIN)/bench ./internal/bench
	$(BIN)/bench

# The stores on a server beside the client below them, go-redis and redis-benchmark: five minutes.
bench-redis: servers
	$(GO) test ./adaptor/redis/internal/bench -count 1 -timeout 30m -v -rounds 8

# What the rate limit of examples/server costs a request, on memory and on Redis: two minutes.
load: servers
	$(call install,wrk,wrk,measures examples/server,wrk)
	$(GO) test ./examples/server -count 1 -timeout 30m -v -run '^TestLoad$$' -load 1s -rounds 9

microbench:
	$(GO) test ./internal/codec ./memory -run '^$$' -bench . -benchmem -count 6

# Changes the code of each package in many places, one at a time, and runs the package's fast tests: see
# internal/mutant/SURVIVORS.md. It takes hours, about ten seconds per change of memory. MUTANTS names fewer packages, and
# GREMLINS has more flags, such as -E '^wheel' to leave a file out.
MUTANTS  ?= memory adaptor kvmodule internal/flight
GREMLINS ?=
# A changed loop can allocate without end, so the address space is limited to 16 GiB.
mutants:
	cd internal/tools && GOWORK=off $(GO) build -o $(BIN)/gremlins github.com/go-gremlins/gremlins/cmd/gremlins
	@set -e; ulimit -v 16777216; for package in $(MUTANTS); do \
	  echo "mutants of $$package"; \
	  GOWORK=off GOFLAGS='-short -skip=FindBugs|DoNotDecide|Mutants|TestChurn|TestHostile' \
	    $(BIN)/gremlins unleash ./$$package --workers 1 --timeout-coefficient 3 -E '^(redis|adaptortest|driver)/' \
	    --invert-logical --invert-loopctrl --invert-assignments --remove-self-assignments $(GREMLINS); \
	done

clean:
	rm -rf $(BIN)
