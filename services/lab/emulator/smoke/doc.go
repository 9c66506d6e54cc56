// Package smoke has no code of its own. Its test lets a bot on an unmodified
// library of a third party talk to the emulator: if the library can't tell, the
// emulator passes for Telegram.
package smoke
