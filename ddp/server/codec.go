package server

import (
	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

func (s *Server) codec() ddp.Codec {
	if s.Codec == nil {
		return ddp.JSON
	}
	return s.Codec
}

// encode writes a message at the end of b.
func (s *Server) encode(b []byte, m ddp.Message) []byte {
	if s.Codec == nil {
		return ddp.Append(b, m) // what every other one costs is a call more
	}
	return s.Codec.Append(b, m)
}

// text returns a frame as JSON, for people.
func (s *Server) text(frame []byte) []byte {
	if s.Codec == nil {
		return frame
	}
	m, err := s.Codec.NewDecoder().Decode(frame)
	if err != nil {
		return nil
	}
	return ddp.Append(nil, m)
}

// message returns what append writes.
func (d *delta) message() ddp.Message {
	switch d.kind {
	case deltaAdded:
		return ddp.Added{Collection: d.collection, ID: d.id, Fields: d.doc.WithoutID()}
	case deltaRemoved:
		return ddp.Removed{Collection: d.collection, ID: d.id}
	}
	var b ejson.Builder
	for _, f := range d.fields {
		b.Add(f.name, f.value)
	}
	m := ddp.Changed{Collection: d.collection, ID: d.id, Cleared: append([]string(nil), d.cleared...)}
	if len(d.fields) > 0 {
		m.Fields = b.Doc()
	}
	return m
}
