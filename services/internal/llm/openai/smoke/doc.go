// Package smoke has no code of its own. Its test connects a chain of providers to a third party's
// server of OpenAI's API, which answers and fails as configured.
package smoke
