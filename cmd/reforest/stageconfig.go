package main

import (
	"strings"

	"reforest/directory"
)

// A stageConfig says who is staged by "stage --all": the connector filter.
type stageConfig struct {
	Kinds  []string `yaml:"kinds"`
	Under  []string `yaml:"under"`
	Except []string `yaml:"except"`
	Hidden bool     `yaml:"hidden"`
	Skip   string   `yaml:"skip"`
	Groups string   `yaml:"groups"`
}

var stageKinds = []string{
	directory.KindUser, directory.KindShared, directory.KindRoom, directory.KindEquipment, directory.KindLinked,
	directory.KindMailUser, directory.KindContact, directory.KindGroup, directory.KindDynamic,
}

func (s stageConfig) check(f *faults) {
	for _, kind := range s.Kinds {
		if !oneOf(kind, stageKinds...) {
			f.add("stage.kinds", "%q: want some of %s", kind, strings.Join(stageKinds, ", "))
		}
	}
	for key, dns := range map[string][]string{"stage.under": s.Under, "stage.except": s.Except} {
		for _, dn := range dns {
			if !strings.Contains(dn, "=") {
				f.add(key, "%q: want a distinguished name, such as OU=Staff,DC=contoso,DC=example", dn)
			}
		}
	}
	if !oneOf(s.Groups, "", "group", "contact") {
		f.add("stage.groups", "%q: want group or contact", s.Groups)
	}
	if s.Skip != "" && (!strings.HasPrefix(s.Skip, "(") || !strings.HasSuffix(s.Skip, ")")) {
		f.add("stage.skip", "%q: want an LDAP filter, such as (extensionAttribute5=nosync)", s.Skip)
	}
}

// selection returns whom "stage --all" selects.
func (s stageConfig) selection() directory.Selection {
	n := directory.Selection{Hidden: s.Hidden, Skip: directory.Filter(s.Skip)}
	if len(s.Kinds) > 0 {
		n.Kinds = s.Kinds
	}
	for _, dn := range s.Under {
		n.Under = append(n.Under, directory.DN(dn))
	}
	for _, dn := range s.Except {
		n.Except = append(n.Except, directory.DN(dn))
	}
	return n
}
