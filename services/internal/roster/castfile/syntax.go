package castfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

const wantFile = "want a YAML file with the lists bots and chats"

// parseYAML gives the one mapping that a cast file is.
func parseYAML(name string, data []byte) (root ast.Node, err error) {
	whole := func(value, want string) error {
		return &Error{File: name, Problem: roster.Problem{Path: "file", Value: value, Want: want}}
	}
	if len(data) > largest {
		return nil, whole(fmt.Sprintf("over %d MiB", largest>>20), wantFile)
	}
	if line := tooDeep(data); line > 0 {
		return nil, &Error{File: name, Line: line, Column: 1, Problem: roster.Problem{
			Path: "file", Value: "too deeply nested", Want: wantFile,
		}}
	}
	// The parser has panicked on broken input before (goccy/go-yaml#191, #471),
	// and a user must see an error.
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, whole("can't be parsed", wantFile)
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(name, err)
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.DirectiveType {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return nil, whole("empty", wantFile)
	case 1:
		return bodies[0], nil
	}
	at := placeOf(bodies[1])
	return nil, &Error{File: name, Line: at.line, Column: at.column, Problem: roster.Problem{
		Path: "file", Value: "a second document", Want: "want one document; put the casts into files of their own",
	}}
}

func syntaxError(name string, err error) error {
	e := &Error{File: name, Line: 1, Column: 1, Problem: roster.Problem{Path: "file", Value: "no YAML", Want: "can't be parsed"}}
	// Not the error's own text: that quotes the lines around it.
	if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		e.Want, _, _ = strings.Cut(syntax.Message, "\n")
		e.Want += config.Layout(e.Want)
		if syntax.Token != nil && syntax.Token.Position != nil {
			e.Line, e.Column = syntax.Token.Position.Line, syntax.Token.Position.Column
		}
	}
	return e
}

// deepest is how many brackets may be open. The parser recurses for each, and a
// stack that is full ends the process.
const deepest = 1000

// tooDeep is the number of a line that opens too many brackets or blocks; 0 if
// there is none. Brackets in texts count, too, where nobody closes them.
func tooDeep(data []byte) int {
	open := 0
	for i, line := range strings.Split(string(data), "\n") {
		open += strings.Count(line, "[") + strings.Count(line, "{") - strings.Count(line, "]") - strings.Count(line, "}")
		nested := strings.Count(line, "- ") + strings.Count(line, "? ") + strings.Count(line, "!") + strings.Count(line, "&")
		if open = max(open, 0); open > deepest || nested > deepest {
			return i + 1
		}
	}
	return 0
}

func inOrder(errs []*Error) error {
	slices.SortStableFunc(errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	joined := make([]error, len(errs))
	for i, e := range errs {
		joined[i] = e
	}
	return errors.Join(joined...)
}

func placeOf(n ast.Node) place {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0]
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{}
	}
	return place{line: n.GetToken().Position.Line, column: n.GetToken().Position.Column}
}
