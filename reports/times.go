package reports

import (
	"encoding/xml"
	"time"
)

// Times are written as RFC 3339 and xs:dateTime both have them.
const (
	utcFormat   = "2006-01-02T15:04:05.000Z07:00"
	localFormat = "2006-01-02T15:04:05Z07:00"
)

// A Time is an instant, written in UTC to the millisecond. The zero time is left
// out.
type Time struct{ time.Time }

func timeOf(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{t.UTC().Truncate(time.Millisecond)}
}

// MarshalText writes the time in UTC.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.UTC().Format(utcFormat)), nil }

// MarshalJSON writes what MarshalText does, in quotes.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"` + utcFormat + `"`)), nil
}

// MarshalXMLAttr leaves the zero time out.
func (t Time) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	if t.IsZero() {
		return xml.Attr{}, nil
	}
	return xml.Attr{Name: name, Value: t.UTC().Format(utcFormat)}, nil
}

// String is the time as every format of the report has it; "" for none.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(utcFormat)
}

// A LocalTime is an instant written to the second with an offset of its own.
type LocalTime struct{ time.Time }

func localTime(t time.Time, zone *time.Location) LocalTime {
	if t.IsZero() {
		return LocalTime{}
	}
	return LocalTime{t.In(zone).Truncate(time.Second)}
}

// MarshalText writes the time with its offset.
func (t LocalTime) MarshalText() ([]byte, error) { return []byte(t.Format(localFormat)), nil }

// MarshalJSON writes what MarshalText does, in quotes.
func (t LocalTime) MarshalJSON() ([]byte, error) {
	return []byte(t.Format(`"` + localFormat + `"`)), nil
}

// MarshalXMLAttr leaves the zero time out.
func (t LocalTime) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	if t.IsZero() {
		return xml.Attr{}, nil
	}
	return xml.Attr{Name: name, Value: t.Format(localFormat)}, nil
}
