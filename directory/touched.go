package directory

// A Touched is what staging made and changed, for whomever.
type Touched struct {
	objects map[string]bool  // by DN.Key
	links   map[nameKey]bool // by linkKey
}

// Note adds what the change made or changed.
func (t *Touched) Note(change Change) {
	if t.objects == nil {
		t.objects, t.links = map[string]bool{}, map[nameKey]bool{}
	}
	t.objects[change.DN.Key()] = true
	for _, mod := range change.Mods {
		if !isLink(mod.Attr) || mod.Op == DeleteValues {
			continue
		}
		for _, v := range mod.Values {
			t.links[linkKey(change.DN, mod.Attr, v)] = true
		}
	}
}

func linkKey(dn DN, attr string, value []byte) nameKey {
	return keyOf(keyDN, dn.Key()+"\x00"+attr+"\x00"+DN(value).Key())
}
