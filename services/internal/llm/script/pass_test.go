package script_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

func TestPasses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"PASS": true, " PASS.\n": true, `"PASS"`: true, "**PASS**": true, "[PASS]": true,
		"": false, "pass": false, "Pass.": false, "PASS the salt.": false, "PASSED": false,
	} {
		if got := script.Passes(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
