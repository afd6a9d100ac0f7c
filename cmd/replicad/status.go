package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
)

func newStatus() *cobra.Command {
	var flags sourceFlags
	var asJSON, check bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how the replica stands: connection, file, collections",
		Long: `status tells how the replica stands, and what to do where something is wrong.
With --check it exits with 1 unless all is well: connected and up to date,
logged in if somebody was, the disk in order, no subscription refused, and no
call failed.`,
		Example: `  replicad status
  replicad status --db tasks.db --json
  replicad status --check > /dev/null || systemctl --user status replicad`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return flags.with(ctx, "lines", func(src source) error {
				d, err := src.status(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", d.AppendJSON(nil))
				} else {
					err = printStatus(cmd.OutOrStdout(), d)
				}
				if wrong := ailments(d); err == nil && check && len(wrong) > 0 {
					err = errors.New("not all is well: " + strings.Join(wrong, ", "))
				}
				return err
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	cmd.Flags().BoolVar(&check, "check", false, "exit with 1 unless all is well")
	return cmd
}

// ailments names what is wrong in a status.
func ailments(d ejson.Doc) (wrong []string) {
	if phase := d.Field("phase").Str(); phase != "" && phase != "live" {
		wrong = append(wrong, phase)
	}
	if d.Field("needsLogin").Bool() {
		wrong = append(wrong, "login needed")
	}
	if !d.Field("diskError").IsMissing() {
		wrong = append(wrong, "the disk fails")
	}
	if n := d.Field("refused").Array().Len(); n > 0 {
		wrong = append(wrong, plural(n, "subscription")+" refused")
	}
	if n := int(d.Field("failed").Number()); n > 0 {
		wrong = append(wrong, plural(n, "call")+" failed")
	}
	return wrong
}

// printStatus prints what status answers, for people: a line a field, and one a
// collection.
func printStatus(w io.Writer, d ejson.Doc) error {
	for name, v := range d.Fields() {
		for _, text := range statusLines(d, name, v) {
			if _, err := fmt.Fprintf(w, "%-13s %s\n", name, printable(text)); err != nil {
				return err
			}
		}
	}
	colls := d.Field("collections").Doc()
	for name, n := range colls.Fields() {
		if _, err := fmt.Fprintf(w, "%-13s %s\n", "  "+printable(name), plural(int(n.Number()), "document")); err != nil {
			return err
		}
	}
	if colls.Len() == 0 {
		_, err := fmt.Fprintln(w, "  no documents")
		return err
	}
	return nil
}

// statusLines tells one field of a status for people, with what to do; nothing of a field
// that is told elsewhere.
func statusLines(d ejson.Doc, name string, v ejson.Value) []string {
	n := int(v.Number())
	calls := plural(n, "call")
	switch name {
	case "collections", "whole", "retryAt", "durable":
		return nil
	case "tries":
		if at := d.Field("retryAt"); at.Kind() == ejson.Date {
			return []string{fmt.Sprintf("%d; the next is at %s, or now by 'replicad reconnect'", n, at.Time().Local().Format(time.TimeOnly))}
		}
	case "needsLogin":
		return []string{"the server does not accept the token any more, and is sent nothing; 'replicad login', or 'replicad logout'"}
	case "outbox":
		return []string{calls + " to be made: see 'replicad outbox list'"}
	case "parked":
		return []string{fmt.Sprintf("%d of them, whose user is not logged in", n)}
	case "failed":
		return []string{calls + " refused or given up: see 'replicad outbox list --state failed', and retry or drop"}
	case "calls":
		return []string{calls + " being waited for"}
	case "stale":
		return []string{plural(n, "document") + " that the server has not confirmed yet"}
	case "skipped":
		return []string{plural(n, "message") + " of the server that could not be applied: see the daemon's log"}
	case "resumed":
		return []string{"the server had kept the session"}
	case "subscriptions":
		text := thousands(n)
		if whole := d.Field("whole"); !whole.IsMissing() {
			text += fmt.Sprintf(", of which the documents of %s are all here", thousands(int(whole.Number())))
		}
		return []string{text}
	case "refused":
		var lines []string
		for _, v := range v.Array().All() {
			s := v.Doc()
			lines = append(lines, fmt.Sprintf("%v: [%s] %s", subscription{s.Field("name").Str(), s.Field("params").Array()},
				s.Field("code").Str(), s.Field("reason").Str()))
		}
		return lines
	case "diskError":
		return []string{v.Str() + "; what is new is in memory only, and is written when the disk takes it"}
	case "seq":
		text := fmt.Sprint(n)
		if durable := d.Field("durable"); !durable.IsMissing() && int(durable.Number()) < n && !d.Field("file").IsMissing() {
			text += fmt.Sprintf(", of which %.0f are on disk", durable.Number())
		}
		return []string{text}
	}
	return []string{fieldText(v)}
}
