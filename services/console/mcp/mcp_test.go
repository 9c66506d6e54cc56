package mcp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/mcp"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

type asked struct {
	Chat int64 `path:"chat" doc:"its number"`
	Loud bool  `query:"loud"`
	Body struct {
		Words place `json:"words"`
	}
}

type place struct {
	Text string `json:"text" minLength:"1"`
}

type answered struct{ Body place }

// connect returns a session of a client with a server of two operations, for somebody.
func connect(t *testing.T, who *access.Principal) (*sdk.ClientSession, error) {
	t.Helper()
	set := &operation.Set{Audit: audit.Log{Pool: journaltest.Open(t)}, Log: testenv.Logger(t)}
	operation.Add(set, operation.Operation{ID: "look", Method: http.MethodGet, Path: "/look", Role: access.Viewer, Summary: "Look"},
		func(context.Context, *struct{}) (*answered, error) { return &answered{place{"all is well"}}, nil })
	operation.Add(set, operation.Operation{
		ID: "say", Method: http.MethodPost, Path: "/chats/{chat}/say", Role: access.Director, Changes: true, Summary: "Say something",
	}, func(_ context.Context, in *asked) (*answered, error) {
		if in.Chat != 7 {
			return nil, operation.ErrNotFound
		}
		text := in.Body.Words.Text
		if in.Loud {
			text = strings.ToUpper(text)
		}
		return &answered{place{text}}, nil
	})
	inner := chi.NewRouter()
	api := humachi.New(inner, huma.DefaultConfig("test", "1"))
	set.Register(api)
	handler := mcp.Handler(api.OpenAPI(), set.All(), inner)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(access.With(r.Context(), who)))
	}))
	t.Cleanup(server.Close)
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	return client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: server.URL, HTTPClient: server.Client(), DisableStandaloneSSE: true}, nil)
}

func TestToolsAreWhatSomebodyMayDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who   access.Principal
		tools []string
	}{
		"a viewer":              {access.Principal{Role: access.Viewer}, []string{"look"}},
		"a director":            {access.Principal{Role: access.Director}, []string{"look", "say"}},
		"a token that may read": {access.Principal{Role: access.Owner, ReadOnly: true}, []string{"look"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session, err := connect(t, &c.who)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			var got []string
			for tool, err := range session.Tools(t.Context(), nil) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, tool.Name)
			}
			if slices.Sort(got); !slices.Equal(got, c.tools) {
				t.Errorf("%v, want %v", got, c.tools)
			}
		})
	}
}

func TestToolsDoWhatTheAPIDoes(t *testing.T) {
	t.Parallel()
	session, err := connect(t, &access.Principal{Name: "anna", Role: access.Director, Via: "mcp", Origin: "here"})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for name, c := range map[string]struct {
		arguments map[string]any
		want      string
		fails     bool
	}{
		"it is done":               {map[string]any{"chat": 7, "loud": true, "body": map[string]any{"words": map[string]any{"text": "ahoy"}}}, "AHOY", false},
		"there is no such chat":    {map[string]any{"chat": 8, "body": map[string]any{"words": map[string]any{"text": "ahoy"}}}, "no such thing", true},
		"a text that is too short": {map[string]any{"chat": 7, "body": map[string]any{"words": map[string]any{"text": ""}}}, "length >= 1", true},
		"no chat":                  {map[string]any{"body": map[string]any{}}, "{chat}", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "say", Arguments: c.arguments})
			if err != nil {
				t.Fatal(err)
			}
			if text := got.Content[0].(*sdk.TextContent).Text; !strings.Contains(text, c.want) || got.IsError != c.fails { //nolint:forcetypeassert // it is one
				t.Errorf("%s (failed: %v), want %s", text, got.IsError, c.want)
			}
		})
	}
}
