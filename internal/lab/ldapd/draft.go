package ldapd

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A draft collects the changes of one object. Nothing of it is seen before
// commit, and a fault leaves the object as it was.
type draft struct {
	s       *store
	o       *object
	attrs   map[string][]value // the new values of what has been touched
	secret  *digest            // a new password
	sdParts int                // the parts of a security descriptor that are written
	lenient bool               // permissive modify (MS-ADTS 3.1.1.3.4.1.8)
	system  bool               // may write what is the system's own
}

func (s *store) draft(o *object) *draft {
	return &draft{s: s, o: o, attrs: map[string][]value{}, sdParts: allParts}
}

// now returns the attribute's values with the changes so far.
func (d *draft) now(key string) []value {
	if values, touched := d.attrs[key]; touched {
		return values
	}
	return d.o.attrs[key]
}

// text returns the first value of now.
func (d *draft) text(key string) string {
	if values := d.now(key); len(values) > 0 {
		return string(values[0].bytes())
	}
	return ""
}

func (d *draft) number(key string) int64 {
	n, _ := strconv.ParseInt(d.text(key), 10, 64)
	return n
}

// set writes a value that the server makes itself.
func (d *draft) set(attr, raw string) {
	a := d.s.schema.attrs[strings.ToLower(attr)]
	key, _ := keyFor(a, []byte(raw))
	d.attrs[a.key] = []value{{raw: []byte(raw), key: key}}
}

func (d *draft) fill(attr, raw string) {
	if len(d.now(strings.ToLower(attr))) == 0 {
		d.set(attr, raw)
	}
}

// parse reads values and refuses one that is given twice.
func (d *draft) parse(a *attribute, raws [][]byte) ([]value, *fault) {
	values := make([]value, 0, len(raws))
	seen := make(map[string]bool, len(raws))
	for _, raw := range raws {
		v, f := d.s.parse(a, raw)
		if f != nil {
			return nil, f
		}
		if seen[v.key] {
			return nil, existsAlready(a)
		}
		seen[v.key] = true
		values = append(values, v)
	}
	return values, nil
}

// existsAlready is how the server refuses a value that is there. Groups are the
// security accounts manager's, and have codes of their own (MS-ERREF 2.2:
// ERROR_MEMBER_IN_ALIAS, ERROR_MEMBER_NOT_IN_ALIAS).
func existsAlready(a *attribute) *fault {
	if a.key == "member" {
		return refuse(entryExists, "00000562: UpdErr: DSID-031A11E2, problem 6005 (ENTRY_EXISTS), data 0")
	}
	return refuse(valueExists, "00002083: AtrErr: DSID-031519F8, problem 1006 (ATT_OR_VALUE_EXISTS), data 0, Att %s", a.name)
}

func absent(a *attribute) *fault {
	if a.key == "member" {
		return refuse(unwilling, "00000561: SvcErr: DSID-031A120C, problem 5003 (WILL_NOT_PERFORM), data 0")
	}
	return refuse(noSuchAttribute, "00002085: AtrErr: DSID-03151E5B, problem 1001 (NO_ATTRIBUTE_OR_VAL), data 0, Att %s", a.name)
}

// add adds values; one that is there already is a fault, unless lenient.
func (d *draft) add(a *attribute, raws [][]byte) *fault {
	if len(raws) == 0 {
		return badSyntax(a, "no value")
	}
	values, f := d.parse(a, raws)
	if f != nil {
		return f
	}
	had := d.now(a.key)
	if len(had) == 0 {
		d.attrs[a.key] = values // parse has found no value twice
		return nil
	}
	present, has := slices.Grow(slices.Clone(had), len(values)), keys(had)
	for _, v := range values {
		switch {
		case !has[v.key]:
			present = append(present, v)
		case !d.lenient:
			return existsAlready(a)
		}
	}
	d.attrs[a.key] = present
	return nil
}

// remove deletes values, or all if none are given; one that is not there is a
// fault, unless lenient.
func (d *draft) remove(a *attribute, raws [][]byte) *fault {
	present := d.now(a.key)
	if len(raws) == 0 {
		if len(present) == 0 && !d.lenient {
			return absent(a)
		}
		d.attrs[a.key] = nil
		return nil
	}
	values, f := d.parse(a, raws)
	if f != nil {
		return f
	}
	has, unwanted := keys(present), keys(values)
	for _, v := range values {
		if !has[v.key] && !d.lenient {
			return absent(a)
		}
	}
	d.attrs[a.key] = slices.DeleteFunc(slices.Clone(present), func(v value) bool { return unwanted[v.key] })
	return nil
}

func (d *draft) replace(a *attribute, raws [][]byte) *fault {
	values, f := d.parse(a, raws)
	if f == nil {
		d.attrs[a.key] = values
	}
	return f
}

func keys(values []value) map[string]bool {
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v.key] = true
	}
	return set
}

// commit makes the draft true.
func (d *draft) commit() {
	for key, values := range d.attrs {
		d.s.put(d.o, key, values)
	}
	if d.secret != nil {
		before := d.o.password
		d.o.password = d.secret
		d.s.undo.did(func() { d.o.password = before })
	}
}

// stamp notes that the object has changed.
func (d *draft) stamp(now time.Time) {
	d.set("uSNChanged", strconv.FormatInt(d.s.nextUSN(), 10))
	d.set("whenChanged", now.UTC().Format(timeForm))
}
