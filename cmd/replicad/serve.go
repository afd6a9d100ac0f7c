package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
)

// serveFlags configure the server.
type serveFlags struct {
	listen      string
	db          string
	loads       []string
	collections []string
	indexes     []string
	allowWrites bool
	remember    time.Duration
	verbose     bool
}

// lockPatience bounds the wait for a file that another process holds: long enough
// for one that is just ending.
const lockPatience = 2 * time.Second

// serveLine begins the line on which a server tells its address.
const serveLine = "serving ws://"

func newServe() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the collections of a store over DDP",
		Long: `serve is a DDP server over a store. It publishes each collection under its
name; a subscription may give a selector, and options with sort, skip, limit
and fields. With --allow-writes it has Meteor's own methods /<coll>/insert,
update and remove. Calls whose ids are unique for ever, as those of 'replicad
do' are, are made once: what they were answered is kept in the file, in the
commit of what they wrote.

There are no accounts: whoever can connect can read everything, and with
--allow-writes change everything. Listen on loopback, or behind something that
knows who is who.`,
		Example: `  replicad serve --load tasks=tasks.jsonl
  replicad serve --db tasks.db --collection tasks --allow-writes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServe(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), flags)
		},
	}
	cmd.Flags().StringVar(&flags.listen, "listen", "127.0.0.1:3000", "address to listen on")
	cmd.Flags().StringVar(&flags.db, "db", "", "the file to keep; without it everything is in memory")
	cmd.Flags().StringArrayVar(&flags.loads, "load", nil, "fill a collection from JSON lines, `COLL=FILE`; may be given again")
	cmd.Flags().StringSliceVar(&flags.collections, "collection", nil, "publish this collection though it is empty")
	cmd.Flags().StringArrayVar(&flags.indexes, "index", nil, "index a collection, `COLL:KEY[,KEY]`; may be given again")
	cmd.Flags().BoolVar(&flags.allowWrites, "allow-writes", false, "let clients insert, update and remove")
	cmd.Flags().DurationVar(&flags.remember, "remember", 30*24*time.Hour, "how long a call is remembered: sent again, it is answered and not made again")
	cmd.Flags().BoolVarP(&flags.verbose, "verbose", "v", false, "log connections that break, too")
	_ = cmd.MarkFlagFilename("db")
	return cmd
}

// runServe serves until ctx is done.
func runServe(ctx context.Context, stdin io.Reader, stderr io.Writer, flags serveFlags) (err error) {
	loads, err := parseEach(flags.loads, parseLoad)
	if err != nil {
		return err
	}
	indexes, err := parseEach(flags.indexes, parseIndex)
	if err != nil {
		return err
	}
	if err := checkCollections("--collection", flags.collections); err != nil {
		return err
	}
	if flags.remember <= 0 {
		return usagef("--remember wants a time, such as 720h, got %v", flags.remember)
	}
	listener, err := listen(flags.listen)
	if err != nil {
		return err
	}
	defer listener.Close() // a second time where the web server has done so
	s, db, err := openStore(ctx, flags.db)
	if err != nil {
		return err
	}
	options := storeServerOptions{allowWrites: flags.allowWrites, logger: newLogger(stderr, flags.verbose)}
	defer func() { err = errors.Join(err, s.Close()) }()
	if db != nil {
		options.flush = db.Flush
		defer func() { err = cmp.Or(err, db.Close()) }()
	}
	for _, ix := range indexes {
		if err := s.Collection(ix.collection).Index(ix.keys...); err != nil {
			return usagef("--index %s: %w", ix.collection, err)
		}
	}
	if flags.allowWrites {
		if err := rememberFor(s, flags.remember); err != nil {
			return fmt.Errorf("--remember: %w", err)
		}
	}
	for _, load := range loads {
		if err := loadLines(ctx, s, load.collection, load.file, stdin); err != nil {
			return fmt.Errorf("--load: %w", err)
		}
		flags.collections = append(flags.collections, load.collection)
	}
	if db != nil { // what cannot be kept is not served
		if err := db.Flush(ctx, s.Snapshot().Seq()); err != nil {
			return err
		}
	}
	options.collections = publishedNames(s, flags.collections)
	srv := newStoreServer(s, options)
	web := &http.Server{Handler: srv.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	snap := s.Snapshot()
	for _, name := range options.collections {
		fmt.Fprintf(stderr, "publishing %s: %s\n", name, plural(snap.Len(name), "document"))
	}
	fmt.Fprintf(stderr, "%s%s/websocket\n", serveLine, listener.Addr())

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(srv.shutdown(grace), web.Close())
}

// openStore returns a store, and the file that keeps it where there is one.
func openStore(ctx context.Context, path string) (*store.Store, *persist.DB, error) {
	if path == "" {
		return store.New(store.Options{}), nil, nil
	}
	wait, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	db, err := persist.Open(wait, path, persist.Options{})
	if err != nil {
		return nil, nil, err
	}
	s := store.New(store.Options{Journal: db})
	if err := s.Load(db.Seq(), db.Records()); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("load %s: %w", path, err), db.Close())
	}
	return s, db, nil
}

// publishedNames returns what is published: the collections that have documents
// and those that were named.
func publishedNames(s *store.Store, named []string) []string {
	all := slices.Clone(named)
	for _, name := range s.Snapshot().Collections() {
		if !isSystem(name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
