package client

import "github.com/replicad/replicad/ddp"

// decoder makes the decoder of one connection.
func (o Options) decoder() ddp.FrameDecoder {
	d := o.Codec.NewDecoder()
	if !o.Whole {
		return d
	}
	if text, ok := d.(*ddp.Decoder); ok {
		text.Whole = true
		return text
	}
	return wholeDecoder{d}
}

// wholeDecoder does for the decoders of others what ddp.Decoder does by itself.
type wholeDecoder struct{ ddp.FrameDecoder }

func (w wholeDecoder) Decode(frame []byte) (ddp.Message, error) {
	m, err := w.FrameDecoder.Decode(frame)
	if a, ok := m.(ddp.Added); ok {
		a.Fields = a.Fields.WithID(a.ID)
		return a, err
	}
	return m, err
}
