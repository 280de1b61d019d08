package ldapd

import (
	ber "github.com/go-asn1-ber/asn1-ber"
)

// The readers below turn an operation from the wire into a request. They accept
// nothing that is not of the form RFC 4511 gives; what a request means is judged by
// the store.

func readSearch(p *ber.Packet, c controls) (search, *fault) {
	if len(p.Children) != 8 {
		return search{}, malformed()
	}
	scope, ok := number64(p.Children[1])
	limit, ok2 := number64(p.Children[3])
	if !ok || !ok2 || scope < scopeBase || scope > scopeSub || limit < 0 {
		return search{}, malformed()
	}
	f, bad := parseFilter(p.Children[6])
	if bad != nil {
		return search{}, bad
	}
	req := search{
		base: content(p.Children[0]), scope: scope, sizeLimit: limit, typesOnly: truthy(p.Children[5]),
		filter: f, sdParts: c.sdParts, domain: c.domain, deleted: c.deleted,
	}
	for _, attr := range p.Children[7].Children {
		req.attrs = append(req.attrs, content(attr))
	}
	return req, nil
}

// readWrite reads an operation that changes something.
func readWrite(p *ber.Packet, c controls) (request, *fault) {
	switch int(p.Tag) {
	case opAdd:
		return readAdd(p, c)
	case opModify:
		return readModify(p, c)
	case opDelete:
		return deletion{dn: content(p), tree: c.treeDelete}, nil
	case opRename:
		return readRename(p)
	}
	return nil, refuse(protocolError, "00000057: LdapErr: unknown operation %d", p.Tag)
}

func readAdd(p *ber.Packet, c controls) (addition, *fault) {
	if len(p.Children) != 2 {
		return addition{}, malformed()
	}
	req := addition{dn: content(p.Children[0]), sdParts: c.sdParts}
	for _, child := range p.Children[1].Children {
		m, f := readAttribute(child)
		if f != nil {
			return addition{}, f
		}
		req.attrs = append(req.attrs, m)
	}
	return req, nil
}

func readAttribute(p *ber.Packet) (modification, *fault) {
	if len(p.Children) != 2 || p.Children[0].TagType != ber.TypePrimitive {
		return modification{}, malformed()
	}
	m := modification{op: modAdd, attr: content(p.Children[0])}
	for _, v := range p.Children[1].Children {
		m.values = append(m.values, []byte(content(v)))
	}
	return m, nil
}

func readModify(p *ber.Packet, c controls) (modify, *fault) {
	if len(p.Children) != 2 {
		return modify{}, malformed()
	}
	req := modify{dn: content(p.Children[0]), sdParts: c.sdParts, lenient: c.permissive}
	for _, child := range p.Children[1].Children {
		if len(child.Children) != 2 {
			return modify{}, malformed()
		}
		op, ok := number64(child.Children[0])
		m, f := readAttribute(child.Children[1])
		if !ok || f != nil {
			return modify{}, malformed()
		}
		m.op = int(op)
		req.mods = append(req.mods, m)
	}
	if len(req.mods) == 0 {
		return modify{}, malformed()
	}
	return req, nil
}

func readRename(p *ber.Packet) (rename, *fault) {
	if len(p.Children) < 3 {
		return rename{}, malformed()
	}
	req := rename{dn: content(p.Children[0]), rdn: content(p.Children[1]), deleteOld: truthy(p.Children[2])}
	if len(p.Children) > 3 {
		req.superior = content(p.Children[3])
	}
	return req, nil
}
