//go:build race

package ejson

func init() { underRace = true }
