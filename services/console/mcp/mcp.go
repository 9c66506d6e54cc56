// Package mcp lets programs that speak the Model Context Protocol use the console's API:
// each operation is a tool. https://modelcontextprotocol.io
package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
)

// body is the argument that is a request's body.
const body = "body"

// Handler serves an API to who is known. A tool that changes something is there only for
// who may use it; the operation itself looks once more.
func Handler(doc *huma.OpenAPI, operations []operation.Operation, api http.Handler) http.Handler {
	var tools []tool
	for _, op := range operations {
		tools = append(tools, toolOf(doc, op))
	}
	return mcp.NewStreamableHTTPHandler(func(r *http.Request) *mcp.Server {
		who := access.From(r.Context())
		if who == nil {
			return nil // it answers 400; whoever is not known was refused before
		}
		server := mcp.NewServer(&mcp.Implementation{Name: "chorus", Version: doc.Info.Version}, &mcp.ServerOptions{
			Instructions: "Watch and direct a cast of AI personas in Telegram groups. The personas are disclosed bots: never have one claim to be human.",
		})
		for _, t := range tools {
			if t.Allows(who) == nil {
				server.AddTool(t.described, t.use(api, who))
			}
		}
		return server
	}, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
}

// tool is an operation as MCP describes it.
type tool struct {
	operation.Operation

	described *mcp.Tool
}

func toolOf(doc *huma.OpenAPI, op operation.Operation) tool {
	described := operationIn(doc, op)
	t := tool{Operation: op}
	properties, required := map[string]any{}, []string{}
	for _, p := range described.Parameters {
		if p.In != "path" && p.In != "query" {
			continue
		}
		schema := plain(doc, p.Schema)
		if schema, is := schema.(map[string]any); is && p.Description != "" {
			schema["description"] = p.Description
		}
		properties[p.Name] = schema
		if p.Required {
			required = append(required, p.Name)
		}
	}
	if described.RequestBody != nil {
		for _, media := range described.RequestBody.Content {
			properties[body] = plain(doc, media.Schema)
		}
		if described.RequestBody.Required {
			required = append(required, body)
		}
	}
	closed := false
	t.described = &mcp.Tool{
		Name: op.ID, Description: op.Summary,
		InputSchema: map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false},
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: !op.Changes, OpenWorldHint: &closed},
	}
	return t
}

// operationIn is what an API's description says of an operation.
func operationIn(doc *huma.OpenAPI, op operation.Operation) *huma.Operation {
	at := doc.Paths["/api/v1"+op.Path]
	for _, o := range []*huma.Operation{at.Get, at.Post, at.Put, at.Patch, at.Delete} {
		if o != nil && o.OperationID == op.ID {
			return o
		}
	}
	return &huma.Operation{}
}

// plain is a schema without references, which tools can't have.
func plain(doc *huma.OpenAPI, s *huma.Schema) any {
	text, err := json.Marshal(s)
	if err != nil {
		return map[string]any{}
	}
	var value any
	_ = json.Unmarshal(text, &value) // it was just written
	const deepest = 8
	return resolve(doc, value, deepest)
}

func resolve(doc *huma.OpenAPI, value any, depth int) any {
	switch v := value.(type) {
	case map[string]any:
		if ref, is := v["$ref"].(string); is {
			if depth == 0 {
				return map[string]any{}
			}
			return resolve(doc, plainOne(doc, ref), depth-1)
		}
		for k, inner := range v {
			v[k] = resolve(doc, inner, depth)
		}
		if properties, is := v["properties"].(map[string]any); is {
			delete(properties, "$schema") // the API's own
		}
	case []any:
		for i, inner := range v {
			v[i] = resolve(doc, inner, depth)
		}
	}
	return value
}

// plainOne is the schema of a reference, its own references unresolved.
func plainOne(doc *huma.OpenAPI, ref string) any {
	var found any
	text, err := json.Marshal(doc.Components.Schemas.SchemaFromRef(ref))
	if err == nil {
		_ = json.Unmarshal(text, &found) // as above
	}
	return found
}

// use makes a request of a tool's arguments, and answers what the API does.
func (t tool) use(api http.Handler, who *access.Principal) mcp.ToolHandler {
	return func(ctx context.Context, asked *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		r, err := t.request(ctx, asked.Params.Arguments)
		if err != nil {
			return said(err.Error(), true), nil
		}
		answer := &buffer{status: http.StatusOK, header: http.Header{}}
		api.ServeHTTP(answer, r.WithContext(access.With(ctx, who)))
		return said(answer.String(), answer.status >= http.StatusBadRequest), nil
	}
}

func (t tool) request(ctx context.Context, arguments json.RawMessage) (*http.Request, error) {
	given := map[string]json.RawMessage{}
	if len(arguments) > 0 {
		if err := json.Unmarshal(arguments, &given); err != nil {
			return nil, fmt.Errorf("arguments: %w", err)
		}
	}
	path, query := "/api/v1"+t.Path, url.Values{}
	sent := given[body]
	delete(given, body)
	for name, value := range given {
		switch in := "{" + name + "}"; {
		case strings.Contains(path, in):
			path = strings.Replace(path, in, url.PathEscape(text(value)), 1)
		default:
			query.Set(name, text(value))
		}
	}
	if strings.Contains(path, "{") {
		return nil, fmt.Errorf("arguments: %s lacks what is in braces", path)
	}
	r, err := http.NewRequestWithContext(ctx, t.Method, path+"?"+query.Encode(), bytes.NewReader(sent))
	if err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	if sent != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// text is an argument as it stands in an address.
func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

func said(text string, failed bool) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}, IsError: failed}
}

// buffer is an answer in memory.
type buffer struct {
	bytes.Buffer

	status int
	header http.Header
}

func (b *buffer) Header() http.Header    { return b.header }
func (b *buffer) WriteHeader(status int) { b.status = status }
