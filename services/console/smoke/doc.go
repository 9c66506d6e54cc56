// Package smoke has no code of its own. Its test lets a real browser use a console as
// people do: all of a demo runs, with a login.
package smoke
