package persist

import (
	"encoding/binary"
	"testing"

	"go.etcd.io/bbolt"
)

// makeForeign makes a bbolt file that is not ours.
func makeForeign(t *testing.T, path string) {
	t.Helper()
	edit(t, path, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("meta"))
		if err == nil {
			err = b.Put([]byte("version"), []byte("1"))
		}
		return err
	})
}

// setFormat makes a file one of another format.
func setFormat(t *testing.T, path string, layout, docs uint64) {
	t.Helper()
	edit(t, path, func(tx *bbolt.Tx) error {
		b := binary.AppendUvarint([]byte(magic), layout)
		return putSealed(tx.Bucket(metaBucket), formatKey, binary.AppendUvarint(b, docs))
	})
}

func edit(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	bolt, _, err := openBolt(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer bolt.Close()
	if err := bolt.Update(fn); err != nil {
		t.Fatal(err)
	}
}
