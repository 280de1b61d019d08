package migrate_test

import (
	"testing"

	"reforest/migrate"
)

func TestRightsAreSets(t *testing.T) {
	t.Parallel()
	if !migrate.Rights("kxeilprwts").Same("lrswipkxte") || migrate.Rights("lr").Same("lrs") {
		t.Error("sets are compared as texts")
	}
	for _, tt := range []struct{ got, want migrate.Rights }{
		{migrate.Rights("rl").And("sl").Ordered(), "lrs"},
		{migrate.Rights("nsrl").Ordered(), "lrsn"},
		{migrate.Rights("lrs").Without("r"), "ls"},
		{migrate.Rights("lrs").Common("sz"), "s"},
		{migrate.Rights("").And(""), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	if !migrate.Rights("lrs").Has("sl") || migrate.Rights("l").Has("lr") || !migrate.Rights("").Has("") {
		t.Error("Has is wrong")
	}
}
