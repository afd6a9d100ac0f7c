// Package store holds collections of documents in memory. One writer at a time
// changes them inside a transaction; readers never wait, and each sees one
// moment of the whole store.
package store
