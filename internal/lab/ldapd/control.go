package ldapd

import (
	"slices"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// The controls that the server knows (MS-ADTS 3.1.1.3.4.1).
const (
	controlPaging      = "1.2.840.113556.1.4.319"
	controlShowDeleted = "1.2.840.113556.1.4.417"
	controlLazyCommit  = "1.2.840.113556.1.4.619"
	controlSDFlags     = "1.2.840.113556.1.4.801"
	controlTreeDelete  = "1.2.840.113556.1.4.805"
	controlDomainScope = "1.2.840.113556.1.4.1339"
	controlPermissive  = "1.2.840.113556.1.4.1413"
)

// knownControls lists them for the rootDSE. Every commit is lazy.
func knownControls() []string {
	return []string{
		controlPaging, controlShowDeleted, controlLazyCommit, controlSDFlags,
		controlTreeDelete, controlDomainScope, controlPermissive,
	}
}

// controls are those of one request.
type controls struct {
	paging     *paging
	sdParts    int
	sdAsked    bool
	treeDelete bool
	domain     bool
	permissive bool
	deleted    bool
}

// paging is the paged results control (RFC 2696 2).
type paging struct {
	size   int64
	cookie string
}

// parseControls reads the controls of a request; p is nil if it has none.
func parseControls(p *ber.Packet) (controls, *fault) {
	c := controls{sdParts: allParts}
	if p == nil {
		return c, nil
	}
	for _, child := range p.Children {
		if f := c.read(child); f != nil {
			return c, f
		}
	}
	return c, nil
}

func (c *controls) read(p *ber.Packet) *fault {
	if len(p.Children) == 0 {
		return malformed()
	}
	kind, critical, value := content(p.Children[0]), false, []byte(nil)
	for _, part := range p.Children[1:] {
		if part.Tag == ber.TagBoolean {
			critical = truthy(part)
		} else {
			value = []byte(content(part))
		}
	}
	if !slices.Contains(knownControls(), kind) {
		if critical {
			return refuse(criticalExtension, "00002040: SvcErr: DSID-031401E7, problem 5010 (UNAVAIL_EXTENSION), data 0")
		}
		return nil
	}
	switch kind {
	case controlPaging:
		return c.readPaging(value)
	case controlSDFlags:
		return c.readSDFlags(value)
	case controlTreeDelete:
		c.treeDelete = true
	case controlDomainScope:
		c.domain = true
	case controlPermissive:
		c.permissive = true
	case controlShowDeleted:
		c.deleted = true
	}
	return nil
}

func (c *controls) readPaging(value []byte) *fault {
	p, err := ber.DecodePacketErr(value)
	if err != nil || len(p.Children) != 2 {
		return malformed()
	}
	size, ok := number64(p.Children[0])
	if !ok || size < 0 {
		return malformed()
	}
	c.paging = &paging{size: size, cookie: content(p.Children[1])}
	return nil
}

func (c *controls) readSDFlags(value []byte) *fault {
	p, err := ber.DecodePacketErr(value)
	if err != nil || len(p.Children) != 1 {
		return malformed()
	}
	flags, ok := number64(p.Children[0])
	if !ok {
		return malformed()
	}
	c.sdParts, c.sdAsked = int(flags&allParts), true
	if c.sdParts == 0 {
		c.sdParts = allParts // MS-ADTS 3.1.1.3.4.1.11: no flag means all parts
	}
	return nil
}

// pagingAnswer is the control of an answer that says where to go on.
func pagingAnswer(cookie string) *ber.Packet {
	value := sequence()
	value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(0), ""))
	value.AppendChild(octetString(cookie))
	control := sequence()
	control.AppendChild(octetString(controlPaging))
	control.AppendChild(octetString(string(value.Bytes())))
	list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	list.AppendChild(control)
	return list
}
