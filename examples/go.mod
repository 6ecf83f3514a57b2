module github.com/zelt-go/kv/examples

go 1.26

replace github.com/zelt-go/kv => ../
