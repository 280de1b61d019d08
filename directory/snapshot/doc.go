// Package snapshot keeps what one forest shows in a file, and reads the file as if it
// were the forest: a directory.Reader without a server. So a move can be judged by
// somebody who may see neither forest, or only one of them.
//
// # What is collected
//
// Everything that the checks of package directory look at: the rootDSE, every object of
// the domains that the server answers for that could be a recipient, hold a name or hold
// objects, the configuration, and the schema. Only attributes that are listed by name
// are asked for, and none that is a secret.
//
// What the file does not hold is not taken for absent. The header lists what was asked
// for; a question about anything else that the forest's schema knows is answered by an
// error. Two things cannot be asked from a file: what a server computes for another
// account than the one that collected, and objects of other classes than those above
// (printers, group policies, zones of DNS), which are not there.
//
// # The file
//
// It is gzip around JSON, one object a line:
//
//	header    format, version, side, when, by whom, the rootDSE, and the searches made
//	entry     dn, the number of the search, values as text or, if they are none, base64
//	…
//	trailer   how many entries there are; without it the file is not whole
//
// # Comparing
//
// Filters (RFC 4515) are judged by the syntax that the forest's own schema gives an
// attribute (MS-ADTS 3.1.1.2.2.2): text without regard to case, accents and width, DNs
// and numbers by what they mean, everything else octet by octet.
package snapshot
