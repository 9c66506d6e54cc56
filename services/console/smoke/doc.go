// Package smoke has no code of its own: here is what a real browser does with a console, as
// people do. The test that runs it is TestConsoleInABrowser of services/e2e.
package smoke
