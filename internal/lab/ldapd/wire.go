package ldapd

import (
	"bytes"
	"errors"
	"io"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// maxMessage is the largest request, in octets: MaxReceiveBuffer of Active
// Directory's default query policy.
const maxMessage = 10 << 20

var errMessage = errors.New("malformed LDAP message")

// The operations, by their application tags (RFC 4511 4.2 ff.).
const (
	opBind           = 0
	opBindAnswer     = 1
	opUnbind         = 2
	opSearch         = 3
	opEntry          = 4
	opSearchDone     = 5
	opModify         = 6
	opModifyAnswer   = 7
	opAdd            = 8
	opAddAnswer      = 9
	opDelete         = 10
	opDeleteAnswer   = 11
	opRename         = 12
	opRenameAnswer   = 13
	opCompare        = 14
	opCompareAnswer  = 15
	opAbandon        = 16
	opReference      = 19
	opExtended       = 23
	opExtendedAnswer = 24
)

// A message is one request (RFC 4511 4.1.1).
type message struct {
	id       int64
	op       *ber.Packet
	controls *ber.Packet // nil if there are none
}

// readMessage reads one message. Its length is checked before anything is
// allocated for it.
func readMessage(r io.Reader) (message, error) {
	raw, err := readFrame(r)
	if err != nil {
		return message{}, err
	}
	return parseMessage(raw)
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if head[0] != 0x30 {
		return nil, errMessage
	}
	frame := bytes.NewBuffer(head[:])
	size := int64(head[1])
	if size >= 0x80 {
		width := int(size & 0x7f)
		var long [4]byte
		if width == 0 || width > len(long) {
			return nil, errMessage
		}
		if _, err := io.ReadFull(r, long[:width]); err != nil {
			return nil, err
		}
		frame.Write(long[:width])
		size = 0
		for _, b := range long[:width] {
			size = size<<8 | int64(b)
		}
	}
	if size > maxMessage {
		return nil, errMessage
	}
	if _, err := io.CopyN(frame, r, size); err != nil {
		return nil, err
	}
	return frame.Bytes(), nil
}

func parseMessage(raw []byte) (message, error) {
	p, err := ber.DecodePacketErr(raw)
	if err != nil {
		return message{}, errMessage
	}
	if len(p.Children) < 2 || p.Children[1].ClassType != ber.ClassApplication {
		return message{}, errMessage
	}
	id, ok := number64(p.Children[0])
	if !ok || id < 0 || id > 1<<31-1 {
		return message{}, errMessage
	}
	m := message{id: id, op: p.Children[1]}
	if len(p.Children) > 2 && p.Children[2].ClassType == ber.ClassContext && p.Children[2].Tag == 0 {
		m.controls = p.Children[2]
	}
	return m, nil
}

// content returns the octets of a primitive element.
func content(p *ber.Packet) string { return p.Data.String() }

func truthy(p *ber.Packet) bool { return p.Data.Len() == 1 && p.Data.Bytes()[0] != 0 }

func number64(p *ber.Packet) (int64, bool) {
	if p.Data.Len() == 0 {
		return 0, false
	}
	n, err := ber.ParseInt64(p.Data.Bytes())
	return n, err == nil
}

func sequence() *ber.Packet {
	return ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
}

func octetString(text string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, text, "")
}

// envelope wraps an operation into a message.
func envelope(id int64, op, controls *ber.Packet) *ber.Packet {
	p := sequence()
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	if controls != nil {
		p.AppendChild(controls)
	}
	return p
}

func application(tag ber.Tag) *ber.Packet {
	return ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
}

// result is an LDAPResult (RFC 4511 4.1.9); f nil is success.
func result(tag ber.Tag, f *fault) *ber.Packet {
	if f == nil {
		f = &fault{code: success}
	}
	p := application(tag)
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(f.code), ""))
	p.AppendChild(octetString("")) // matchedDN; the text names the best match, as Active Directory's does
	p.AppendChild(octetString(f.text))
	if f.refer != "" {
		urls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
		urls.AppendChild(octetString(f.refer))
		p.AppendChild(urls)
	}
	return p
}

func entryPacket(entry found) *ber.Packet {
	p := application(opEntry)
	p.AppendChild(octetString(string(entry.dn)))
	attrs := sequence()
	for _, a := range entry.attrs {
		attr := sequence()
		attr.AppendChild(octetString(a.name))
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a.values {
			values.AppendChild(octetString(string(v)))
		}
		attr.AppendChild(values)
		attrs.AppendChild(attr)
	}
	p.AppendChild(attrs)
	return p
}

func referencePacket(url string) *ber.Packet {
	p := application(opReference)
	p.AppendChild(octetString(url))
	return p
}
