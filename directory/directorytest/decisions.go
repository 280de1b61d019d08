package directorytest

import (
	"slices"
	"testing"

	"reforest/directory"
)

// A Home is one forest with a place in it for one case.
type Home struct {
	Forest   directory.Forest // surveyed, with Reader, Writer and Catalog
	Database directory.DN     // a mailbox database
	// Base is an empty organizational unit of the case's own. Whoever opens the home
	// removes it, with all that lies below, when the case ends.
	Base directory.DN
	// Elsewhere is a container in another domain of the forest, empty or a SecondDomain
	// that Seed can write to.
	Elsewhere directory.DN
	// Seed adds an entry that LDAP would not add; nil where that cannot be done. What it
	// adds below Base goes with it.
	Seed func(t *testing.T, dn directory.DN, attrs map[string][]string)
	// SeedDescriptor writes the permissions of an entry as they are, inherited entries
	// included; nil where the server makes those itself.
	SeedDescriptor func(t *testing.T, dn directory.DN, descriptor []byte)
}

// Forests are the two between which a case moves people.
type Forests struct{ Source, Target Home }

// An Ability is something that not all servers can do.
type Ability string

// The abilities.
const (
	// SIDHistory: sIDHistory can be written. Over LDAP it never can (MS-DRSR 4.1.2), so
	// this takes Home.Seed.
	SIDHistory Ability = "sIDHistory can be written"
	// SecondDomain: the forest has another domain, Home.Elsewhere, which only the global
	// catalog shows.
	SecondDomain Ability = "the forest has a second domain"
)

// A decision is one case of the suite.
type decision struct {
	name  string
	needs Ability // "" nothing that not all servers can do
	run   func(t *testing.T, w *world)
}

// decisions returns all cases.
func decisions() []decision {
	return slices.Concat(defectCases(), matchCases(), addressCases(), nameCases(), linkCases(), switchCases(), waybackCases(), rightsCases())
}

// Decisions carries out, between two real forests, each case that directories are known
// to be hard by, and compares what then stands in both with what must. What a case
// carried out is planned again at its end, and that plan must be empty. open is called
// once for each case, at once for several; cases that need none of the abilities, or one
// that is given, are run.
func Decisions(t *testing.T, open func(t *testing.T) Forests, abilities ...Ability) {
	for _, d := range decisions() {
		if !d.playable(abilities) {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t))
			d.run(t, w)
			w.finish(t)
		})
	}
}

// LeftOut returns the names of the cases that Decisions leaves out with the abilities.
func LeftOut(abilities ...Ability) []string {
	var left []string
	for _, d := range decisions() {
		if !d.playable(abilities) {
			left = append(left, d.name)
		}
	}
	return left
}

func (d decision) playable(abilities []Ability) bool {
	return d.needs == "" || slices.Contains(abilities, d.needs)
}
