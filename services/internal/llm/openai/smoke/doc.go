// Package smoke has no code of its own. Its test lets a chain of providers talk to
// a server of OpenAI's API that a third party wrote, which answers and fails as it
// is told.
package smoke
