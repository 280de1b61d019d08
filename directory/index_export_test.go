package directory

// UseIndex lets the index answer questions about names instead of the forest's server.
func (f *Forest) UseIndex(x *Index) { f.index = x }

// Noticed returns what Match noticed about the pair.
func (p Pair) Noticed() []string {
	var ids []string
	for _, f := range p.noticed {
		ids = append(ids, f.Rule)
	}
	return ids
}

// Bare returns the text as Active Directory compares it, but for case.
func Bare(text string) string { return bare(text) }
