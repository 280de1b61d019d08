// Package directorytest is the conformance suite of directories: an Active
// Directory server, or what plays one, together with the adapter that speaks to it.
package directorytest
