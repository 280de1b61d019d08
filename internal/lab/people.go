package lab

import (
	"fmt"
	"strings"
)

// A Person is one owner of a mailbox in the rehearsal.
type Person struct {
	Name  string // display name
	Given string
	Sur   string
	Alias string // mailNickname, and the local part of addresses
	Kind  string // "user", "shared" or "room"
	// AtTarget says that the person has an account at the target already, with
	// permissions of the source forest on it.
	AtTarget bool
}

// Mail returns the person's primary address at the source.
func (p Person) Mail() string { return p.Alias + "@" + SourceDomain }

// People returns who moves in the rehearsal: enough of everything that goes wrong in
// real forests.
func People() []Person {
	people := []Person{
		{Name: "Anna Berg", Alias: "anna.berg", AtTarget: true},
		{Name: "Björn Åkesson", Alias: "bjorn.akesson"},
		{Name: "Chloé Lefèvre", Alias: "chloe.lefevre"},
		{Name: "Dimitra Papadopoulou", Alias: "dimitra.papadopoulou"},
		{Name: "Eva Müller", Alias: "eva.mueller"},
		{Name: "Eva Müller", Alias: "eva.mueller2"},
		{Name: "Fatima Al-Sayed", Alias: "fatima.alsayed"},
		{Name: "Georg Weiß", Alias: "georg.weiss"},
		{Name: "Hana Nováková", Alias: "hana.novakova"},
		{Name: "Iker Etxeberria", Alias: "iker.etxeberria"},
		{Name: "José Núñez", Alias: "jose.nunez"},
		{Name: "Kaur, Simran", Alias: "simran.kaur"},
		{Name: "Łukasz Wójcik", Alias: "lukasz.wojcik"},
		{Name: "Maximiliane Freifrau von Hohenberg", Alias: "maximiliane.hohenberg"},
		{Name: "Nguyễn Thị Hoa", Alias: "hoa.nguyen"},
		{Name: "Olena Шевченко", Alias: "olena.shevchenko"},
		{Name: "Patrick O'Brien", Alias: "patrick.obrien"},
		{Name: "Qiao 王芳", Alias: "qiao.wang"},
		{Name: "田中 太郎", Given: "太郎", Sur: "田中", Alias: "taro.tanaka"},
		{Name: "Rosa Marques (R&D)", Alias: "rosa.marques"},
		{Name: "Ægir Þórsson", Alias: "aegir.thorsson"},
		{Name: "Tom Schmidt", Alias: "tom.schmidt"},
		{Name: "Yusuf Yıldız", Alias: "yusuf.yildiz"},
		{Name: "Finance", Alias: "finance", Kind: "shared"},
		{Name: "Room Säntis", Alias: "room.saentis", Kind: "room"},
	}
	for i := range people {
		people[i].complete()
	}
	return people
}

func (p *Person) complete() {
	if p.Kind == "" {
		p.Kind = "user"
	}
	if p.Given == "" && p.Kind == "user" {
		p.Given, p.Sur, _ = strings.Cut(p.Name, " ")
	}
}

// legacyDN returns the person's legacyExchangeDN at the source.
func (p Person) legacyDN() string {
	return fmt.Sprintf("/o=Alpine/ou=First Administrative Group/cn=Recipients/cn=%s", p.Alias)
}

// sam returns a sAMAccountName of at most 20 characters.
func (p Person) sam() string {
	return p.Alias[:min(len(p.Alias), 20)]
}
