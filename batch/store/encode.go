package store

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"reforest/directory"
	"reforest/migrate"
)

// format is the version of the blobs below. A blob with a higher one was written by
// a newer reforest.
const format = 1

// The blobs are JSON with short names: a chunk of 500 items takes about 20 kB.
type (
	plannedBlob struct {
		Version int           `json:"v"`
		Edit    bool          `json:"e,omitempty"`
		Items   []plannedItem `json:"items"`
	}
	plannedItem struct {
		Item     string         `json:"i"`
		Size     int64          `json:"n"`
		Digest   migrate.Digest `json:"h"`
		Received time.Time      `json:"t,omitzero"`
		Flags    []string       `json:"f,omitempty"`
		Was      *placeItem     `json:"m,omitempty"`
	}
	placeItem struct {
		Ref  string `json:"p"`
		Item string `json:"i"`
	}
	doneBlob struct {
		Version int        `json:"v"`
		Items   []doneItem `json:"items"`
	}
	doneItem struct {
		Item  string     `json:"i"`
		Ref   string     `json:"r,omitempty"`
		Flags []string   `json:"f,omitempty"`
		Skip  *skipItem  `json:"s,omitempty"`
		Was   *placeItem `json:"m,omitempty"`
		Gone  bool       `json:"x,omitempty"`
	}
	skipItem struct {
		Folder   []string  `json:"p,omitempty"`
		Item     string    `json:"i"`
		Received time.Time `json:"t,omitzero"`
		Size     int64     `json:"n,omitempty"`
		Kind     string    `json:"k"`
		Reason   string    `json:"w"`
	}
	modsBlob struct {
		Version int             `json:"v"`
		Mods    []directory.Mod `json:"mods"`
	}
)

func encodePlace(at migrate.Place) *placeItem {
	if at == (migrate.Place{}) {
		return nil
	}
	return &placeItem{string(at.Ref), string(at.Item)}
}

func (p *placeItem) place() migrate.Place {
	if p == nil {
		return migrate.Place{}
	}
	return migrate.Place{Ref: migrate.Ref(p.Ref), Item: migrate.ItemRef(p.Item)}
}

func encodePlanned(items []migrate.Planned, edit bool) ([]byte, error) {
	blob := plannedBlob{Version: format, Edit: edit}
	for _, p := range items {
		if !utf8.ValidString(string(p.Item)) {
			return nil, refuse("item %q: %w", p.Item, errNotText)
		}
		blob.Items = append(blob.Items, plannedItem{string(p.Item), p.Size, p.Digest, p.Received, p.Flags, encodePlace(p.Was)})
	}
	return json.Marshal(blob)
}

func decodePlanned(data []byte) (items []migrate.Planned, edit bool, err error) {
	var blob plannedBlob
	if err := decode(data, &blob, &blob.Version); err != nil {
		return nil, false, fmt.Errorf("read intent: %w", err)
	}
	for _, p := range blob.Items {
		items = append(items, migrate.Planned{
			Item: migrate.ItemID(p.Item), Size: p.Size, Digest: p.Digest, Received: p.Received, Flags: p.Flags, Was: p.Was.place(),
		})
	}
	return items, blob.Edit, nil
}

func encodeDone(done []migrate.Done) ([]byte, error) {
	blob := doneBlob{Version: format}
	for _, d := range done {
		// JSON would put U+FFFD for what is not UTF-8, and the item would be unknown.
		if !utf8.ValidString(string(d.Item)) || !utf8.ValidString(string(d.Ref)) {
			return nil, refuse("item %q at %q: %w", d.Item, d.Ref, errNotText)
		}
		item := doneItem{Item: string(d.Item), Ref: string(d.Ref), Flags: d.Flags, Was: encodePlace(d.Was), Gone: d.Gone}
		if s := d.Skip; s != nil {
			item.Skip = &skipItem{s.Folder, string(s.Item), s.Received, s.Size, s.Kind, s.Reason}
		}
		blob.Items = append(blob.Items, item)
	}
	return json.Marshal(blob)
}

func decodeDone(data []byte) ([]migrate.Done, error) {
	var blob doneBlob
	if err := decode(data, &blob, &blob.Version); err != nil {
		return nil, fmt.Errorf("read chunk: %w", err)
	}
	var done []migrate.Done
	for _, item := range blob.Items {
		d := migrate.Done{Item: migrate.ItemID(item.Item), Ref: migrate.ItemRef(item.Ref), Flags: item.Flags, Was: item.Was.place(), Gone: item.Gone}
		if s := item.Skip; s != nil {
			d.Skip = &migrate.Skip{
				Folder: s.Folder, Item: migrate.ItemID(s.Item), Received: s.Received,
				Size: s.Size, Kind: s.Kind, Reason: s.Reason,
			}
		}
		done = append(done, d)
	}
	return done, nil
}

func encodeMods(mods []directory.Mod) ([]byte, error) {
	return json.Marshal(modsBlob{Version: format, Mods: mods})
}

func decodeMods(data []byte) ([]directory.Mod, error) {
	var blob modsBlob
	if err := decode(data, &blob, &blob.Version); err != nil {
		return nil, fmt.Errorf("read change: %w", err)
	}
	return blob.Mods, nil
}

// decode reads a blob; version points into it.
func decode(data []byte, blob any, version *int) error {
	if err := json.Unmarshal(data, blob); err != nil {
		return err
	}
	if *version > format {
		return fmt.Errorf("%w: its format is %d, this version knows %d", ErrNewer, *version, format)
	}
	return nil
}
