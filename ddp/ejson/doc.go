// Package ejson holds the documents of the replica and their wire form.
package ejson
