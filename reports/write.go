package reports

import (
	_ "embed" // run.xsd
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
)

// Schema is the XML schema of what WriteXML writes.
//
//go:embed run.xsd
var Schema []byte

// WriteXML writes the report as XML of the Namespace. Characters that XML forbids
// become U+FFFD (https://www.w3.org/TR/xml/#charsets).
func (r *Report) WriteXML(w io.Writer) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// WriteJSON writes the report as one JSON object. Times are RFC 3339.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
