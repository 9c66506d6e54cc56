//go:build race

package e2e_test

// buildFlags build chorus as these tests were built.
func buildFlags() []string { return []string{"-race"} }
