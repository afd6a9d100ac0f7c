package ddp

// Codec turns messages into frames and back. Both ends of a connection must use the
// same one.
type Codec interface {
	// Append writes m at the end of b, as one frame, and returns the longer slice.
	Append(b []byte, m Message) []byte
	// NewDecoder returns the decoder of one connection.
	NewDecoder() FrameDecoder
}

// FrameDecoder reads the frames of one connection, and need not be safe for use by two
// goroutines at once. Decode keeps nothing of the frame; a frame that is broken gives a
// *MalformedError.
type FrameDecoder interface {
	Decode(frame []byte) (Message, error)
}

// JSON is the text of the protocol, as every DDP peer speaks it: Append and Decoder.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Append(b []byte, m Message) []byte { return Append(b, m) }
func (jsonCodec) NewDecoder() FrameDecoder          { return new(Decoder) }
