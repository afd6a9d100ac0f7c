package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

// editFlags are the flags of update, insert and remove.
type editFlags struct {
	file    string
	inPlace bool
}

// lineCollection is where the lines of a file go if nobody names a collection.
const lineCollection = "lines"

func (f *editFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "file", "", "the documents, one as JSON a line; - for standard input")
	cmd.Flags().BoolVar(&f.inPlace, "in-place", false, "write the file anew instead of printing the documents")
	_ = cmd.MarkFlagFilename("file", "jsonl", "ndjson", "json")
}

// run loads the lines, has edit change them, and prints the outcome or puts it in
// the file's place. After an error the file is as it was.
func (f *editFlags) run(cmd *cobra.Command, edit func(store.Collection[ejson.Doc]) (string, error)) error {
	switch {
	case f.file == "":
		return usagef("%s wants --file DOCS.jsonl: a replica's documents are changed by calling a method (replicad call)", cmd.Name())
	case f.inPlace && f.file == "-":
		return usagef("--in-place wants a file, and standard input is none")
	}
	s := store.New(store.Options{})
	if err := loadLines(cmd.Context(), s, lineCollection, f.file, cmd.InOrStdin()); err != nil {
		return err
	}
	c := s.Collection(lineCollection)
	done, err := edit(c)
	if err != nil {
		return err
	}
	print := func(w io.Writer) error {
		return printLines(w, func(yield func(ejson.Doc) error) error {
			for _, d := range s.Snapshot().Each(lineCollection) {
				if err := yield(d); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if f.inPlace {
		err = replaceFile(f.file, print)
	} else {
		err = print(cmd.OutOrStdout())
	}
	if err == nil {
		fmt.Fprintln(cmd.ErrOrStderr(), done)
	}
	return err
}

// replaceFile writes a file beside another and puts it in its place, so that at
// no moment there is less than one of the two whole.
func replaceFile(path string, write func(io.Writer) error) (err error) {
	// Through a link, the file that it leads to.
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	err = write(tmp)
	for _, step := range []func() error{
		func() error { return tmp.Chmod(info.Mode().Perm()) }, tmp.Sync,
	} {
		if err == nil {
			err = step()
		}
	}
	if err = cmp.Or(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// withoutCollection drops the COLL that may stand before n arguments, as in find:
// for the lines of one file the name says nothing.
func withoutCollection(args []string, n int) ([]string, error) {
	if len(args) == n+1 && !isObject(args[0]) {
		args = args[1:]
	}
	if len(args) != n {
		return nil, usagef("too many arguments: %q", args[n:])
	}
	return args, nil
}

// isObject reports whether an argument is meant to be an object.
func isObject(arg string) bool { return strings.HasPrefix(strings.TrimSpace(arg), "{") }

func newUpdate() *cobra.Command {
	var flags editFlags
	var multi, upsert bool
	var filters []string
	cmd := &cobra.Command{
		Use:   "update [COLL] SELECTOR MODIFIER --file DOCS.jsonl",
		Short: "Apply a modifier to documents of a file, and print them all",
		Long: `update applies a MongoDB modifier, or a replacement, to the first document that
the selector matches (to all with --multi), and prints all documents, one a
line, or writes them back with --in-place. It changes all that match, or with
an error none.`,
		Example: `  replicad update '{"name": "fig"}' '{"$inc": {"price": 1}}' --file fruit.jsonl
  replicad update '{}' '{"$unset": {"draft": 1}}' --multi --in-place \
      --file fruit.jsonl
  replicad update d1 '{"$set": {"rows.$[r].ok": true}}' \
      --array-filter '{"r.n": {"$gt": 2}}' --file -`,
		Args: argsBetween(2, 3, "SELECTOR and MODIFIER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := withoutCollection(args, 2)
			if err != nil {
				return err
			}
			selector, err := parseSelector(args[0])
			if err != nil {
				return err
			}
			if upsert && !isObject(args[0]) { // a new document has the id as it is given
				selector = ejson.StringID(strings.TrimSpace(args[0]))
			}
			modifier, err := parseModifier(args[1], filters)
			if err != nil {
				return err
			}
			return flags.run(cmd, func(c store.Collection[ejson.Doc]) (string, error) {
				return update(c, cmp.Or[any](selector, ejson.Make()), modifier, multi, upsert)
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&multi, "multi", false, "change every document that matches")
	cmd.Flags().BoolVar(&upsert, "upsert", false, "insert a document where none matches")
	cmd.Flags().StringArrayVar(&filters, "array-filter", nil, "a filter for $[name]; may be given again")
	return cmd
}

// parseModifier compiles a modifier with its array filters.
func parseModifier(text string, filters []string) (*query.Modifier, error) {
	doc, err := parseDoc([]byte(text))
	if err != nil {
		return nil, usagef("modifier: %w", err)
	}
	list := make([]any, len(filters))
	for i, f := range filters {
		if list[i], err = parseDoc([]byte(f)); err != nil {
			return nil, usagef("--array-filter: %w", err)
		}
	}
	return query.CompileModifier(doc, list...)
}

// update applies a modifier as asked, and says what it did.
func update(c store.Collection[ejson.Doc], selector any, modifier *query.Modifier, multi, upsert bool) (string, error) {
	found, err := c.Find(selector).Count()
	if err != nil {
		return "", err
	}
	switch {
	case found == 0 && upsert:
		id, _, err := c.UpsertOne(selector, modifier)
		return fmt.Sprintf("inserted %v", id), err
	case found == 0:
		return "nothing matched", nil
	case multi:
		changed, err := c.UpdateMany(selector, modifier)
		return fmt.Sprintf("%s matched, %s changed", thousands(found), thousands(changed)), err
	}
	changed, err := c.UpdateOne(selector, modifier)
	if changed {
		return "1 changed", err
	}
	return "1 matched, none changed", err
}

func newInsert() *cobra.Command {
	var flags editFlags
	cmd := &cobra.Command{
		Use:     "insert [COLL] DOC... --file DOCS.jsonl",
		Short:   "Add documents to those of a file, and print them all",
		Example: `  replicad insert '{"name": "fig", "price": 4}' --file fruit.jsonl --in-place`,
		Args:    argsBetween(1, -1, "a DOC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isObject(args[0]) && len(args) > 1 {
				args = args[1:] // COLL
			}
			docs, err := parseEach(args, func(text string) (ejson.Doc, error) {
				d, err := parseDoc([]byte(text))
				if err != nil {
					return d, usagef("document: %w", err)
				}
				return d, nil
			})
			if err != nil {
				return err
			}
			return flags.run(cmd, func(c store.Collection[ejson.Doc]) (string, error) {
				_, err := c.InsertMany(docs)
				return plural(len(docs), "document") + " inserted", err
			})
		},
	}
	flags.add(cmd)
	return cmd
}

func newRemove() *cobra.Command {
	var flags editFlags
	cmd := &cobra.Command{
		Use:   "remove [COLL] SELECTOR --file DOCS.jsonl",
		Short: "Take documents out of those of a file, and print the rest",
		Example: `  replicad remove '{"price": {"$gt": 5}}' --file fruit.jsonl
  replicad remove zGzR8vYbyKNCpPzxM --file fruit.jsonl --in-place`,
		Args: argsBetween(1, 2, "a SELECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := withoutCollection(args, 1)
			if err != nil {
				return err
			}
			selector, err := parseSelector(args[0])
			if err != nil {
				return err
			}
			return flags.run(cmd, func(c store.Collection[ejson.Doc]) (string, error) {
				n, err := c.DeleteMany(cmp.Or[any](selector, ejson.Make()))
				return plural(n, "document") + " removed", err
			})
		},
	}
	flags.add(cmd)
	return cmd
}
