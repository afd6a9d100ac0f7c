package persist

import "github.com/replicad/replicad/ddp/ejson"

// migrate says whether a file with these formats can be used. Format 1 is the
// first of both, so there is nothing yet to be brought forward: a file is
// either of today or unknown. A step from an older format belongs here, as one
// bbolt transaction that ends with the new number in "format".
func migrate(layout, docs uint64) error {
	if layout == formatNumber && docs == ejson.Format {
		return nil
	}
	return &FormatError{
		Format: int(min(layout, 1<<31-1)), Docs: int(min(docs, 1<<31-1)),
		WantFormat: formatNumber, WantDocs: ejson.Format,
	}
}
