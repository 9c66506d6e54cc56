// Package caching tests the planner, generator and sender with the cache between them and
// the database: how many statements a turn costs, and what failures of Redis change.
package caching
