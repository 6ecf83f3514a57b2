module github.com/zelt-go/kv/adaptor/redis

go 1.26

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/redis/rueidis v1.0.79
	github.com/stretchr/testify v1.12.1
	github.com/zelt-go/kv v0.1.0
	go.uber.org/fx v1.24.0
	go.uber.org/goleak v1.2.0
)

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	go.uber.org/dig v1.19.0 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	go.uber.org/zap v1.26.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/zelt-go/kv => ../..
