package console

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"
)

// The committed description of the API matches the code.
func TestOpenAPIIsCurrent(t *testing.T) {
	c := newConsole(DefaultConfig(), Deps{Log: zap.NewNop()})
	api := humachi.New(chi.NewRouter(), describe())
	c.set.Register(api)
	want, err := json.MarshalIndent(api.OpenAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/openapi.json"
	want = append(want, '\n')
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(is) != string(want) {
		t.Errorf("%s is not as the code is: run make generate", path)
	}
}
