// Package e2e tests the chorus binary from outside. The tests run it like its users, with
// the embedded servers or as separate services, and check the emulator's log of calls and
// the journal. The package has no other code.
package e2e
