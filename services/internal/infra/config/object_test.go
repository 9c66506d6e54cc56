package config_test

import (
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

type objectConfig struct {
	Extra string `config:"extra" object:"true" doc:"fields"`
	Text  string `config:"text" doc:"a text"`
}

// A JSON object may be written as a mapping in the file.
func TestAnObjectInAFile(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"a text":    `llm: {extra: '{"a":{"b":false},"c":["x",1]}'}`,
		"JSON":      `llm: {extra: {"a":{"b":false},"c":["x",1]}}`,
		"a mapping": "llm:\n  extra:\n    a:\n      b: false\n    c: [x, 1]",
	} {
		got := &objectConfig{}
		tree := config.New(config.Section{Name: "llm", Value: got})
		flags, _ := parse(t, tree, file)
		if err := tree.Load(flags, nil); err != nil || got.Extra != `{"a":{"b":false},"c":["x",1]}` {
			t.Errorf("%s: got %s, %v", name, got.Extra, err)
		}
	}
	tree := config.New(config.Section{Name: "llm", Value: &objectConfig{}})
	flags, _ := parse(t, tree, `llm: {text: {a: 1}}`)
	if err := tree.Load(flags, nil); err == nil || !strings.Contains(err.Error(), "a mapping, want a text") {
		t.Errorf("got %v", err)
	}
}
