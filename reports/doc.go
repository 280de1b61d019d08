// Package reports builds one Report of a run from the store and writes it as XML,
// CSV, HTML and JSON, which agree because they are made from the same value.
//
//	store ──Reader──► Build ──► Report ──┬─► WriteXML   run.xsd
//	                                     ├─► WriteCSV   one row per move, for Excel
//	                                     ├─► WriteHTML  one page, for people
//	                                     └─► WriteJSON  the same, for programs
//
// A report never asks a worker: what is not in the store has not happened. It says
// how the run left things, also when later runs have gone on since.
package reports
