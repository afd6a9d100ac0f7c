package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

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

// printField prints one field of a document.
func printField(w io.Writer, name string, v ejson.Value) error {
	_, err := fmt.Fprintf(w, "%-13s %s\n", name, printable(fieldText(v)))
	return err
}

// fieldText is a value for people: text bare, a date by this machine's clock, the rest as
// EJSON.
func fieldText(v ejson.Value) string {
	switch v.Kind() {
	case ejson.String:
		return v.Str()
	case ejson.Date:
		return v.Time().Local().Format(time.DateTime)
	}
	return string(v.AppendJSON(nil))
}

// printable is text that may come from elsewhere, such as a server's reason, in one line
// and without what could steer a terminal.
func printable(text string) string {
	if strings.IndexFunc(text, unicode.IsControl) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) {
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
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
