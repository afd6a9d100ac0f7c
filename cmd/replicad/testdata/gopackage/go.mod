module gopackage

go 1.26.0

require github.com/gopackage/ddp v0.0.0-20170117053602-652027933df4

require (
	github.com/onsi/ginkgo v1.16.5 // indirect
	github.com/onsi/gomega v1.44.0 // indirect
	golang.org/x/net v0.62.0 // indirect
)
