package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// printExplain prints what explain answers, for people.
func printExplain(w io.Writer, d ejson.Doc) error {
	took := time.Duration(d.Field("micros").Number() * float64(time.Microsecond))
	_, err := fmt.Fprintf(w, "plan      %s\nexamined  %s\nreturned  %s of %s\ntime      %v\n",
		d.Field("plan").Str(),
		plural(int(d.Field("examined").Number()), "document"),
		thousands(int(d.Field("returned").Number())), plural(int(d.Field("of").Number()), "document"),
		round(took))
	return err
}

// printStatus prints what status answers, for people: a line a field, and one a
// collection.
func printStatus(w io.Writer, d ejson.Doc) error {
	for name, v := range d.Fields() {
		switch name {
		case "collections", "whole":
			continue
		case "subscriptions":
			text := thousands(int(v.Number()))
			if whole := d.Field("whole"); !whole.IsMissing() {
				text += fmt.Sprintf(", of which the documents of %s are all here", thousands(int(whole.Number())))
			}
			v = ejson.StringValue(text)
		}
		if err := printField(w, name, v); err != nil {
			return err
		}
	}
	colls := d.Field("collections").Doc()
	for name, n := range colls.Fields() {
		if _, err := fmt.Fprintf(w, "%-13s %s\n", "  "+name, plural(int(n.Number()), "document")); err != nil {
			return err
		}
	}
	if colls.Len() == 0 {
		_, err := fmt.Fprintln(w, "  no documents")
		return err
	}
	return nil
}

// printField prints one field: text bare, the rest as EJSON.
func printField(w io.Writer, name string, v ejson.Value) error {
	text := v.Str()
	if v.Kind() != ejson.String {
		text = string(v.AppendJSON(nil))
	}
	_, err := fmt.Fprintf(w, "%-13s %s\n", name, text)
	return err
}

// round shortens a duration to three digits or so.
func round(d time.Duration) time.Duration {
	for unit := time.Duration(1); unit < time.Minute; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
	return d.Round(time.Second)
}

// printLines prints what produce yields, a document a line. Output is buffered;
// use printEvents for what should be seen as it happens.
func printLines(w io.Writer, produce func(yield func(ejson.Doc) error) error) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	err := produce(func(d ejson.Doc) error {
		line = append(d.AppendJSON(line[:0]), '\n')
		_, err := out.Write(line)
		return err
	})
	return cmp.Or(err, out.Flush())
}

// printEvents is printLines with each line written at once.
func printEvents(w io.Writer, produce func(yield func(ejson.Doc) error) error) error {
	var line []byte
	return produce(func(d ejson.Doc) error {
		line = append(d.AppendJSON(line[:0]), '\n')
		_, err := w.Write(line)
		return err
	})
}
