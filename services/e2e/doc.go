// Package e2e has no code of its own. Its tests run the chorus binary as its
// users do, on its embedded parts, and judge it by what the emulator's log of
// calls and the journal say.
package e2e
