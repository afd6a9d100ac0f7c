package persist

import "github.com/replicad/replicad/ddp/ejson"

// migrate says whether a file with these formats can be used. A file of layout 1 is one
// of today in which nothing went ahead yet; the first transaction that writes to it
// makes it one of layout 2 (state.upgrade).
func migrate(layout, docs uint64) error {
	if layout >= 1 && layout <= formatNumber && docs == ejson.Format {
		return nil
	}
	return &FormatError{
		Format: int(min(layout, 1<<31-1)), Docs: int(min(docs, 1<<31-1)),
		WantFormat: formatNumber, WantDocs: ejson.Format,
	}
}
