package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// indexRequest asks for an index to be added or dropped, or for neither; the
// answer is always the indexes that there are then.
type indexRequest struct {
	collection string
	add        store.IndexOptions // no Keys: nothing is added
	drop       []string           // a name, or keys
}

func newIndex() *cobra.Command {
	var flags sourceFlags
	var o store.IndexOptions
	var partial string
	var drop bool
	cmd := &cobra.Command{
		Use:   "index COLL [KEY[,KEY]]",
		Short: "List the indexes of a collection, add one, or drop one",
		Long: `index adds an index on the keys given, each a path with "-" before it to
descend, and lists the indexes of the collection. Adding one that is there does
nothing. The daemon, and a file given with --db, keep the definition; for lines
given with --file it is made to be looked at.`,
		Example: `  replicad index tasks
  replicad index tasks list,-createdAt
  replicad index sessions lastSeen --ttl 24h
  replicad index tasks list,-createdAt --drop`,
		Args: argsBetween(1, 2, "COLL and perhaps keys"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := indexRequest{collection: args[0]}
			if err := checkCollection(r.collection); err != nil {
				return err
			}
			if len(args) > 1 && drop {
				r.drop = splitList(args[1])
			} else if len(args) > 1 {
				o.Keys = splitList(args[1])
				o.Expire = cmd.Flags().Changed("ttl")
				if partial != "" {
					d, err := parseDoc([]byte(partial))
					if err != nil {
						return usagef("--partial: %w", err)
					}
					o.Partial = d
				}
				r.add = o
			} else if drop {
				return usagef("--drop wants the keys, or the name, of the index")
			}
			return flags.with(cmd.Context(), r.collection, func(src source) error {
				list, err := src.index(cmd.Context(), r)
				if err != nil {
					return err
				}
				if list.Len() == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "no indexes")
					noteUnknown(cmd.Context(), cmd.ErrOrStderr(), flags, src, r.collection)
				}
				return printLines(cmd.OutOrStdout(), func(yield func(ejson.Doc) error) error {
					for _, v := range list.All() {
						if err := yield(v.Doc()); err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
	}
	flags.add(cmd)
	cmd.ValidArgsFunction = completeCollections(&flags)
	cmd.Flags().StringVar(&o.Name, "name", "", "its name; empty means its keys")
	cmd.Flags().BoolVar(&o.Unique, "unique", false, "refuse two documents of the same key; of no effect where a server owns the collection")
	cmd.Flags().BoolVar(&o.Sparse, "sparse", false, "leave out documents that have none of the keys")
	cmd.Flags().StringVar(&partial, "partial", "", "hold only what this `SELECTOR` selects")
	cmd.Flags().DurationVar(&o.TTL, "ttl", 0, "remove documents this long after the date at the key; of no effect where a server owns the collection")
	cmd.Flags().BoolVar(&drop, "drop", false, "drop the index")
	return cmd
}

// index adds, drops and lists.
func (s *storeSource) index(ctx context.Context, r indexRequest) (ejson.Array, error) {
	if err := checkCollection(r.collection); err != nil {
		return ejson.Array{}, err
	}
	c := s.store.Collection(r.collection)
	var err error
	switch {
	case len(r.add.Keys) > 0:
		err = c.EnsureIndex(r.add)
	case len(r.drop) > 0:
		err = c.DropIndex(r.drop...)
	}
	if err != nil {
		return ejson.Array{}, usageError{err}
	}
	if s.flush != nil {
		if err := s.flush(ctx, s.store.Snapshot().Seq()); err != nil {
			return ejson.Array{}, err // the disk's: nobody called wrongly
		}
	}
	sizes := c.Indexes()
	var list []ejson.Value
	for i, o := range c.Definitions() {
		var b ejson.Builder
		b.Add("name", ejson.StringValue(o.Name))
		b.Add("keys", stringList(o.Keys))
		if o.Unique {
			b.Add("unique", ejson.BoolValue(true))
		}
		if o.Sparse {
			b.Add("sparse", ejson.BoolValue(true))
		}
		if d, ok := o.Partial.(ejson.Doc); ok {
			b.Add("partial", d.Value())
		}
		if o.Expire {
			b.Add("ttlSeconds", ejson.NumberValue(o.TTL.Seconds()))
		}
		if i < len(sizes) {
			b.Add("entries", ejson.NumberValue(float64(sizes[i].Size)))
		}
		list = append(list, b.Doc().Value())
	}
	return ejson.ArrayOf(list...), nil
}

// doc returns the request in the form in which the local API takes it.
func (r indexRequest) doc() (ejson.Doc, error) {
	var b ejson.Builder
	b.Add("collection", ejson.StringValue(r.collection))
	if len(r.drop) > 0 {
		b.Add("drop", stringList(r.drop))
	}
	if len(r.add.Keys) > 0 {
		b.Add("keys", stringList(r.add.Keys))
		b.Add("name", ejson.StringValue(r.add.Name))
		b.Add("unique", ejson.BoolValue(r.add.Unique))
		b.Add("sparse", ejson.BoolValue(r.add.Sparse))
		if r.add.Expire {
			b.Add("ttlSeconds", ejson.NumberValue(r.add.TTL.Seconds()))
		}
		if r.add.Partial != nil {
			d, err := ejson.From(r.add.Partial)
			if err != nil {
				return ejson.Doc{}, err
			}
			b.Add("partial", d.Value())
		}
	}
	return b.Doc(), nil
}

// indexRequestOf reads a request that the local API was given.
func indexRequestOf(d ejson.Doc) (r indexRequest, err error) {
	if err = onlyFields(d, "collection", "keys", "name", "unique", "sparse", "partial", "ttlSeconds", "drop"); err != nil {
		return r, err
	}
	if r.collection, err = stringOf(d, "collection"); err == nil && r.collection == "" {
		err = usagef("collection: wants a name, got none")
	}
	if err == nil {
		err = checkCollection(r.collection)
	}
	if err != nil {
		return r, err
	}
	if r.drop, err = stringsOf(d, "drop"); err != nil {
		return r, err
	}
	if r.add.Keys, err = stringsOf(d, "keys"); err != nil {
		return r, err
	}
	if r.add.Name, err = stringOf(d, "name"); err != nil {
		return r, err
	}
	r.add.Unique, r.add.Sparse = d.Field("unique").Bool(), d.Field("sparse").Bool()
	if v := d.Field("partial"); v.Kind() == ejson.Object {
		r.add.Partial = v.Doc()
	}
	if v := d.Field("ttlSeconds"); v.Kind() == ejson.Number {
		r.add.Expire, r.add.TTL = true, time.Duration(v.Number()*float64(time.Second))
	}
	return r, nil
}

func (c *apiClient) index(ctx context.Context, r indexRequest) (ejson.Array, error) {
	d, err := r.doc()
	if err != nil {
		return ejson.Array{}, err
	}
	d, err = c.one(ctx, http.MethodPost, "/index", d)
	return d.Field("indexes").Array(), err
}

// serveIndex runs POST /index.
func serveIndex(src source, r *http.Request) (ejson.Doc, error) {
	d, err := readDoc(r)
	if err != nil {
		return ejson.Doc{}, err
	}
	req, err := indexRequestOf(d)
	if err != nil {
		return ejson.Doc{}, err
	}
	list, err := src.index(r.Context(), req)
	return ejson.Make().WithValue("indexes", list.Value()), err
}
