# `make test` is what CI runs. It needs Go, git and make; the race detector needs a C
# compiler, which is installed where that can be done.

GO      ?= go
MODULES := . examples internal/bench internal/tools
BIN     := $(CURDIR)/bin

.PHONY: test cc format vet staticcheck tidy race narrow tour soak verify fuzz bench microbench clean

test: cc format vet staticcheck tidy race narrow tour

# The race detector links against C.
cc:
	@command -v $$($(GO) env CC) >/dev/null 2>&1 || { \
	  echo 'no C compiler, which go test -race needs: installing gcc'; \
	  if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends gcc libc6-dev; \
	  else \
	    echo 'make: install a C compiler first (Debian: apt-get install gcc libc6-dev)' >&2; exit 1; \
	  fi; }

format:
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not formatted by gofmt:"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet work

# Pinned in internal/tools, which is not part of the workspace: its needs are its own.
staticcheck:
	cd internal/tools && GOWORK=off $(GO) build -o $(BIN)/staticcheck honnef.co/go/tools/cmd/staticcheck
	$(BIN)/staticcheck $$($(GO) list work)

tidy:
	@for m in $(MODULES); do \
	  echo "$(GO) mod tidy -diff ($$m)"; \
	  (cd $$m && GOWORK=off $(GO) mod tidy -diff) || exit 1; \
	done

race:
	CGO_ENABLED=1 $(GO) test -race -timeout 10m work

# On 32 bits, where there is no race detector; without the planted bugs.
narrow:
	CGO_ENABLED=0 GOARCH=386 $(GO) test -short -skip 'FindBugs|DoNotDecide|Mutants' ./...

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
verify:
	$(GO) test ./memory -timeout 60m -run '^TestHistories$$' -histories 1000
	$(GO) test ./memory -timeout 60m -run '^TestSequences$$' -rapid.checks=20000

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

microbench:
	$(GO) test ./internal/codec ./memory -run '^$$' -bench . -benchmem -count 6

clean:
	rm -rf $(BIN)
