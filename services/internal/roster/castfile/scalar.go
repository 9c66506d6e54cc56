package castfile

import (
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// scalar reads a single value. Types are taken as they are written: a text in
// quotation marks is no number, and a number is no text.
func (d *decoder) scalar(n ast.Node, v reflect.Value, f roster.Field, path string) {
	ok := false
	switch {
	case v.Type() == reflect.TypeFor[secret.Ref]():
		d.reference(n, v, f, path)
		return
	case v.Type() == reflect.TypeFor[time.Duration]():
		var length time.Duration
		if text, isText := textOf(n); isText {
			var err error
			length, err = time.ParseDuration(text)
			ok = err == nil
		}
		v.SetInt(int64(length))
	case v.Kind() == reflect.String:
		var text string
		text, ok = textOf(n)
		v.SetString(text)
		if _, other := n.(ast.ScalarNode); !ok && other {
			d.add(path, shown(n), f.Want+", in quotation marks if it looks like a number, true, false or null")
			return
		}
	case v.Kind() == reflect.Bool:
		var b *ast.BoolNode
		if b, ok = n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
		}
	case v.CanInt():
		ok = setInt(n, v)
	case v.CanFloat():
		ok = setFloat(n, v)
	}
	if !ok {
		d.add(path, shown(n), f.Want)
	}
}

func textOf(n ast.Node) (string, bool) {
	switch t := n.(type) {
	case *ast.StringNode:
		return t.Value, true
	case *ast.LiteralNode:
		return t.Value.Value, true
	}
	return "", false
}

func setInt(n ast.Node, v reflect.Value) bool {
	node, ok := n.(*ast.IntegerNode)
	if !ok {
		return false
	}
	i, err := strconv.ParseInt(strings.ReplaceAll(node.Token.Value, "_", ""), 0, v.Type().Bits())
	v.SetInt(i)
	return err == nil
}

func setFloat(n ast.Node, v reflect.Value) bool {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	default:
		return false
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(n.GetToken().Value, "_", ""), v.Type().Bits())
	v.SetFloat(x)
	return err == nil && !math.IsInf(x, 0)
}

// reference reads where a token is. What stands there may be a token, so it is
// never repeated.
func (d *decoder) reference(n ast.Node, v reflect.Value, f roster.Field, path string) {
	text, _ := textOf(n)
	text = strings.TrimSpace(text)
	ref, ok := parseRef(text)
	if !ok {
		d.add(path, roster.Hidden, f.Want+"; a token itself must not stand in the file")
	}
	v.Set(reflect.ValueOf(ref))
}

func parseRef(text string) (secret.Ref, bool) {
	kind, where, found := strings.Cut(text, ":")
	switch where = strings.TrimSpace(where); {
	case !found || where == "":
	case kind == "env" && regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(where):
		return secret.Ref{Env: where}, true
	case kind == "file" && !regexp.MustCompile(`\d{5,}:[A-Za-z0-9_-]{20,}`).MatchString(where) &&
		!strings.ContainsAny(where, "\x00\n"):
		return secret.Ref{File: where}, true
	}
	return secret.Ref{}, false
}

// shown is a value as an error repeats it, on one line.
func shown(n ast.Node) string {
	switch t := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which cast files don't have"
	case *ast.TagNode:
		return "a tag, which cast files don't have"
	case *ast.LiteralNode:
		return roster.Quote(t.Value.Value)
	case *ast.StringNode:
		return roster.Quote(t.Value)
	}
	if n == nil || n.GetToken() == nil {
		return "nothing"
	}
	quoted := roster.Quote(n.GetToken().Value)
	return quoted[1 : len(quoted)-1]
}
