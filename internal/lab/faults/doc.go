// Package faults is a proxy between a mover and a mail server that breaks one thing once:
// the connection at a chosen byte, the time that it takes, or what the server says. It
// terminates TLS on both sides, since it has to read IMAP to know where it is.
//
// A Fault names whose bytes it lies in, the command that is being answered or sent, and a
// Place, which is always just before a byte is passed on. What has been passed on before
// it has reached the other side. Conversations that begin to compress are not understood.
package faults
