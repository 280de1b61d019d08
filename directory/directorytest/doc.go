// Package directorytest is the conformance suite of directories, in three tables:
//
//	Run         what an Active Directory server, or what plays one, does together with the
//	            adapter that speaks to it
//	Decisions   what becomes of people between two forests: the cases that are known to be
//	            hard, from the plan to what then stands in both
//	Strictness  what Active Directory refuses, and laxer servers take
package directorytest
