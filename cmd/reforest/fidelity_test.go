package main

import (
	"strings"
	"testing"

	"reforest/batch"
)

// Quotas of both mailboxes are told before the first pass, once.
func TestQuotasAreToldBeforeTheMove(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, "one.csv", "EmailAddress\n"+anna+"\n")
	r.Source.Mail.SetQuota(anna, 200<<20)
	r.Target.Mail.SetQuota(anna, 100<<20)
	r.reforest(t, "sync", "one.csv", "--yes").wants(t, exitDone)
	r.reforest(t, "run", "one.csv", "--yes").wants(t, exitDone)
	var told []string
	st := r.opened(t)
	for move, err := range st.Moves(t.Context(), batch.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		record, err := st.Record(t.Context(), move.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range record.Events {
			if e.Finding != nil && e.Finding.Rule == "content.quota" {
				told = append(told, e.Finding.What)
			}
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "209715200") || !strings.Contains(told[0], "104857600") {
		t.Errorf("of the quotas is told %q, want both limits, once", told)
	}
}
