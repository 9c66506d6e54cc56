// Package caching holds the tests of planner, generator and sender with the
// cache between them and the database: what a turn then costs, and what Redis can
// do to it.
package caching
