package batch

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func atMost(n int64) *int64 { return &n }

func TestParseFileReads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []Row
	}{
		{"list", "# wave 1\n\nanna\n  bob@x.test \t\n", []Row{{Identity: "anna", Line: 3}, {Identity: "bob@x.test", Line: 4}}},
		{"no end of line", "anna", []Row{{Identity: "anna", Line: 1}}},
		{"CRLF and CR", "anna\r\nbob\rcarl\r\n", []Row{{Identity: "anna", Line: 1}, {Identity: "bob", Line: 2}, {Identity: "carl", Line: 3}}},
		{"no-break space", "\u00a0anna\u00a0\n", []Row{{Identity: "anna", Line: 1}}},
		{"DN", "CN=Berg\\, Anna,OU=x,DC=y\n", []Row{{Identity: "CN=Berg\\, Anna,OU=x,DC=y", Line: 1}}},
		{"DN with a column's name in it", "CN=a,OU=Identity,DC=password\n", []Row{{Identity: "CN=a,OU=Identity,DC=password", Line: 1}}},
		{"legacy DN", "/o=A, B/cn=c\n", []Row{{Identity: "/o=A, B/cn=c", Line: 1}}},
		{"quoted in a list", "\"Berg, \"\"Anna\"\"\"\n", []Row{{Identity: `Berg, "Anna"`, Line: 1}}},
		{"alias like a password column", "pwdavis\nsecretary\n", []Row{{Identity: "pwdavis", Line: 1}, {Identity: "secretary", Line: 2}}},
		{"one column", "Identity\nanna\nCN=Berg\\, A,DC=y\n", []Row{{Identity: "anna", Line: 2}, {Identity: "CN=Berg\\, A,DC=y", Line: 3}}},
		{"quoted header", "\"Identity\"\n\"anna\"\n", []Row{{Identity: "anna", Line: 2}}},
		{"any order and case", "baditemlimit,TARGETDATABASE,emailaddress\n7, MBX 1 ,anna\n", []Row{{Identity: "anna", TargetDatabase: "MBX 1", BadItemLimit: atMost(7), Line: 2}}},
		{"limits", "Identity;BadItemLimit\na;0\nb;Unlimited\nc;\nd;-1\n", []Row{{Identity: "a", BadItemLimit: atMost(0), Line: 2}, {Identity: "b", BadItemLimit: atMost(-1), Line: 3}, {Identity: "c", Line: 4}, {Identity: "d", BadItemLimit: atMost(-1), Line: 5}}},
		{"people called nearly like columns", "identity@x.test\nidentitia\n", []Row{{Identity: "identity@x.test", Line: 1}, {Identity: "identitia", Line: 2}}},
		{"a domain's user", "ALPINE\\identit\n", []Row{{Identity: "ALPINE\\identit", Line: 1}}},
		{"three letters off", "identrica\n", []Row{{Identity: "identrica", Line: 1}}},
		{"tabs", "Identity\tTargetDatabase\n\tMBX\nanna\tMBX\n", nil},
		{"empty database in tabs", "TargetDatabase\tIdentity\n\tanna\n", []Row{{Identity: "anna", Line: 2}}},
		{"quoted fields", "Identity,TargetDatabase\n\"Berg, Anna\" , \"a \"\"b\"\"\"\n", []Row{{Identity: "Berg, Anna", TargetDatabase: `a "b"`, Line: 2}}},
		{"Excel", "sep=;\nIdentity;TargetDatabase;;\nanna;MBX;;\n;;;\nbob;;;;;\n", []Row{{Identity: "anna", TargetDatabase: "MBX", Line: 3}, {Identity: "bob", Line: 5}}},
		{"comment in a CSV", "#TYPE System.Object\nIdentity,TargetDatabase\n# later\nanna,MBX\n", []Row{{Identity: "anna", TargetDatabase: "MBX", Line: 4}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseFile("x", strings.NewReader(test.text))
			if test.want == nil {
				if err == nil {
					t.Fatalf("want a fault, got %v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseFileReadsEncodings(t *testing.T) {
	t.Parallel()
	want := []Row{
		{Identity: "änne@alpine.test", TargetDatabase: "MBX-F1", BadItemLimit: atMost(10), Line: 3},
		{Identity: "田中@alpine.test", BadItemLimit: atMost(Unlimited), Line: 4},
		{Identity: "b.😀@alpine.test", TargetDatabase: "MBX-F2", Line: 6},
	}
	for _, name := range []string{"excel-unicode-le.txt", "unicode-be.txt", "utf8-bom.txt"} {
		got, err := parseTestdata(t, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestParseFileReadsEveryIdentity(t *testing.T) {
	t.Parallel()
	rows, err := parseTestdata(t, "list.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, row.Identity)
	}
	want := []string{
		"anna.berg@alpine.test", `ALPINE\jdoe`, `CN=Berg\, Anna,OU=Night 3,DC=alpine,DC=test`,
		"/o=Alpine/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=old, name",
		"Berg, Bernd", "{6f9619ff-8b86-d011-b42d-00c04fc964ff}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseFileRefusesLatin1(t *testing.T) {
	t.Parallel()
	_, err := parseTestdata(t, "latin1.txt")
	wantFaults(t, err, []string{"latin1.txt:2:2: not valid UTF-8"})
}

func parseTestdata(t *testing.T, name string) ([]Row, error) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return ParseFile(name, bytes.NewReader(raw))
}

func TestParseFileNamesEveryFault(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string // beginnings of the faults, in order
	}{
		{"empty", "", []string{"f:1:1: no mailbox in this file"}},
		{"comments only", "# a\n\n  # b\n", []string{"f:1:1: no mailbox in this file"}},
		{"only Excel's own line", "sep=;", []string{"f:1:1: no mailbox in this file"}},
		{"header only", "# x\nIdentity,TargetDatabase\n", []string{"f:2:1: a header and no mailbox"}},
		{"unknown column", "Identity, TargetDatabse\nanna,x\n", []string{`f:1:11: unknown column "TargetDatabse"; did you mean TargetDatabase?`}},
		{"misspelt header", "EmailAdress,TargetDatabse\nanna,x\n", []string{
			`f:1:1: unknown column "EmailAdress"; did you mean EmailAddress?`, `f:1:13: unknown column "TargetDatabse"; did you mean TargetDatabase?`,
		}},
		{"one misspelt column", "# x\n emailadress \nanna\n", []string{`f:2:2: unknown column "emailadress"; did you mean EmailAddress?`}},
		{"misspelt beside unknown", "Identiy;Name\nanna;x\n", []string{
			`f:1:1: unknown column "Identiy"; did you mean Identity?`, `f:1:9: unknown column "Name"; the nearest known one is`,
		}},
		{"misspelt twice", "Identiy,Identity\na,b\n", []string{`f:1:1: unknown column "Identiy"; did you mean Identity?`, "f:1:9: column Identity is there twice"}},
		{"column of another tool", "EmailAddress,MailboxType\na,b\n", []string{`f:1:14: unknown column "MailboxType"`}},
		{"column twice", "Identity,identity\na,b\n", []string{"f:1:10: column Identity is there twice"}},
		{"both", "Identity,EmailAddress\na,b\n", []string{"f:1:10: both Identity and EmailAddress"}},
		{"nobody", "TargetDatabase,BadItemLimit\na,1\n", []string{"f:1:1: neither Identity nor EmailAddress"}},
		{"duplicate", "anna\nbob\n ANNA\n", []string{`f:3:2: identity "ANNA" is in line 1 already`}},
		{"empty identity", "Identity,TargetDatabase\n,MBX\n\" \",MBX\n", []string{"f:2:1: the identity is empty", "f:3:1: the identity is empty"}},
		{"limits", "Identity,BadItemLimit\na,-2\nb,ten\nc,1.5\nd,9223372036854775808\n", []string{
			`f:2:3: BadItemLimit "-2" is no number; write 0, a larger whole number, or unlimited, for which -1 also stands`, `f:3:3: BadItemLimit "ten" is no number`,
			`f:4:3: BadItemLimit "1.5" is no number`, `f:5:3: BadItemLimit "9223372036854775808" is no number`,
		}},
		{"too few", "Identity,TargetDatabase\nanna\n", []string{"f:2:1: 1 fields under a header of 2"}},
		{"too many", "Identity,TargetDatabase\nanna,x,y\n", []string{"f:2:8: 3 fields under a header of 2"}},
		{"value without a name", "Identity,\nanna,x\n", []string{"f:2:6: a value under a column without a name"}},
		{"fields in one column", "Identity\nanna,MBX\n", []string{"f:2:1: more than one field"}},
		{"unterminated in a CSV", "Identity,TargetDatabase\n\"anna,x\nbob,y\n", []string{"f:2:1: a quote that is not closed on its line"}},
		{"unterminated in a list", "\"anna\nbob\"x\n", []string{"f:1:1: a quote that is not closed on its line"}},
		{"after a quote", "Identity,TargetDatabase\n\"anna\"b,x\n", []string{"f:2:1: text after a closing quote"}},
		{"invalid UTF-8", "anna\nj\xfcrgen\n", []string{"f:2:2: not valid UTF-8; save the file as UTF-8"}},
		{"lost letters", "j\uFFFDrgen\n", []string{"f:1:2: a replacement character"}},
		{"NUL", "a\x00n\x00", []string{"f:1:2: a NUL character"}},
		{"control", "anna\x1b[31m\n", []string{"f:1:5: a control character, U+001B"}},
		{"invisible", "anna\n\u200banna\n", []string{"f:2:1: an invisible character, U+200B"}},
		{"odd UTF-16", "\xff\xfea\x00b", []string{"f:1:2: not valid UTF-8"}},
		{"lone surrogate", "\xfe\xff\x00a\xd8\x00\x00b", []string{"f:1:2: not valid UTF-8"}},
		{"workbook", "PK\x03\x04\x14\x00", []string{"f:1:1: this is a workbook"}},
		{"all at once", "Identity;BadItemLimit\na;x\nb\nA;1\n;2\n", []string{
			"f:2:3: BadItemLimit", "f:3:1: 1 fields", "f:4:1: identity \"A\" is in line 2", "f:5:1: the identity is empty",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rows, err := ParseFile("f", strings.NewReader(test.text))
			if rows != nil {
				t.Errorf("rows with faults: %v", rows)
			}
			wantFaults(t, err, test.want)
		})
	}
}

func wantFaults(t *testing.T, err error, want []string) {
	t.Helper()
	var file *FileError
	if !errors.As(err, &file) {
		t.Fatalf("want a *FileError, got %v", err)
	}
	if len(file.Faults) != len(want) {
		t.Fatalf("%d faults, want %d:\n%v", len(file.Faults), len(want), err)
	}
	for i, fault := range file.Faults {
		if !strings.HasPrefix(fault.String(), want[i]) {
			t.Errorf("fault %d:\n got %s\nwant %s", i, fault, want[i])
		}
	}
}

// Whatever the file, no password of it comes back.
func TestParseFileRefusesPasswordsAndKeepsThemSecret(t *testing.T) {
	t.Parallel()
	const secret = "Hunter2-xyz"
	for _, text := range []string{
		"EmailAddress,Password,ForceChangePassword\nanna,Hunter2-xyz,true\n",
		"EmailAddress,UserName,Password\nanna,anna,Hunter2-xyz\n",
		"Source Email,Source Login Name,Source Password,Destination Email,Destination Login Name,Destination Password,Flags\na,b,Hunter2-xyz,c,d,Hunter2-xyz,\n",
		"SourceIdentity,SourceServer,SourceLoginID,SourcePassword,TargetIdentity\na,b,c,Hunter2-xyz,d\n",
		"Identity;Kennwort\nanna;Hunter2-xyz\n",
		"Identity\tPWD\nanna\tHunter2-xyz\n",
		"host1;anna;Hunter2-xyz;host2;anna;Hunter2-xyz;\n",
		"anna,Hunter2-xyz\nbob,Hunter2-xyz\n",
		"password\nHunter2-xyz\n",
	} {
		rows, err := ParseFile("f", strings.NewReader(text))
		var file *FileError
		if !errors.As(err, &file) || rows != nil {
			t.Errorf("%q: got %v, %v; want a fault", text, rows, err)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q: the fault tells the password: %v", text, err)
		}
	}
}

func TestParseFileReportsReader(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk gone")
	_, err := ParseFile("f", iotest.ErrReader(broken))
	var file *FileError
	if !errors.Is(err, broken) || errors.As(err, &file) {
		t.Errorf("got %v, want %v and no *FileError", err, broken)
	}
}

func TestParseFileRefusesHugeFiles(t *testing.T) {
	t.Parallel()
	_, err := ParseFile("f", bytes.NewReader(make([]byte, maxFileSize+1)))
	wantFaults(t, err, []string{"f:1:1: the file is larger than 64 MB"})
}

func TestDigest(t *testing.T) {
	t.Parallel()
	digest := func(text string) string {
		t.Helper()
		rows, err := ParseFile("f", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return Digest(rows)
	}
	base := digest("Identity,TargetDatabase,BadItemLimit\nanna,M,1\nbob,,\n")
	if same := digest("# x\n\nbaditemlimit;targetdatabase;emailaddress\r\n1;M;anna\r\n;;bob"); same != base {
		t.Error("another form of the same list has another digest")
	}
	seen := map[string]string{base: "base"}
	for _, other := range []string{
		"Identity,TargetDatabase,BadItemLimit\nbob,,\nanna,M,1\n",
		"Identity,TargetDatabase,BadItemLimit\nanna,M,0\nbob,,\n",
		"Identity,TargetDatabase,BadItemLimit\nanna,M,\nbob,,\n",
		"Identity,TargetDatabase,BadItemLimit\nanna,M,unlimited\nbob,,\n",
		"Identity,TargetDatabase,BadItemLimit\nanna,,1\nbob,M,\n",
		"Identity,TargetDatabase,BadItemLimit\nanna,M,1\n",
		"anna\nbob\n",
	} {
		d := digest(other)
		if before, ok := seen[d]; ok {
			t.Errorf("%q and %q have the same digest", other, before)
		}
		seen[d] = other
	}
}

// What is read can be written as a CSV and read again; what is refused has a place.
func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		"anna\nCN=Berg\\, Anna,OU=x\n", "Identity;BadItemLimit\n\"a \"\"b\"\"\";unlimited\n",
		"\xff\xfea\x00\n\x00", "sep=,\nEmailAddress,TargetDatabase,\na@b,\"x\n", "\"",
		"EmailAdress,TargetDatabse\na,b\n", "Identty\n", "a\nIdentiti\n", "a\x00", "\ufeff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows, err := ParseFile("f", bytes.NewReader(raw))
		if err != nil {
			checkFaults(t, err, raw)
			return
		}
		again, err := ParseFile("f", strings.NewReader(writeCSV(rows)))
		if err != nil {
			t.Fatalf("read again what was read: %v", err)
		}
		if Digest(again) != Digest(rows) {
			t.Fatal(cmp.Diff(rows, again))
		}
	})
}

func checkFaults(t *testing.T, err error, raw []byte) {
	t.Helper()
	var file *FileError
	if !errors.As(err, &file) || len(file.Faults) == 0 {
		t.Fatalf("want faults, got %v", err)
	}
	for _, fault := range file.Faults {
		if fault.Line < 1 || fault.Line > len(raw)+1 || fault.Column < 1 || fault.Column > len(raw)+1 || fault.What == "" {
			t.Errorf("fault %+v has no place", fault)
		}
	}
}

func writeCSV(rows []Row) string {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	var b strings.Builder
	b.WriteString("Identity,TargetDatabase,BadItemLimit\n")
	for _, row := range rows {
		limit := ""
		if row.BadItemLimit != nil && *row.BadItemLimit == Unlimited {
			limit = "unlimited"
		} else if row.BadItemLimit != nil {
			limit = strconv.FormatInt(*row.BadItemLimit, 10)
		}
		b.WriteString(quote(row.Identity) + "," + quote(row.TargetDatabase) + "," + limit + "\n")
	}
	return b.String()
}
