package roster

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// leaf is one value of a bot or chat with its path. Entries of lists are named by their key, so
// that a path has the same meaning in two versions.
type leaf struct{ path, text string }

// flatten returns the leaves of a struct. Two structs are equal, as far as a file can say, if their
// leaves are.
func flatten(v reflect.Value, s *schema.Schema, path string) []leaf {
	var leaves []leaf
	for _, f := range s.Fields {
		field, at := f.In(v), path+f.Name
		switch {
		case f.Key, f.Type == reflect.TypeFor[secret.Ref]():
			// A key is in the path. Tokens are compared by their value, not by their reference.
		case f.Struct != nil && field.Kind() == reflect.Slice:
			for i := range field.Len() {
				entry := field.Index(i)
				leaves = append(leaves, flatten(entry, f.Struct, at+"["+keyOf(entry, f.Struct)+"].")...)
			}
		case f.Struct != nil:
			leaves = append(leaves, flatten(field, f.Struct, at+".")...)
		default:
			leaves = append(leaves, leaf{path: at, text: textOf(field)})
		}
	}
	return leaves
}

// keyOf returns the key of a list's entry.
func keyOf(entry reflect.Value, s *schema.Schema) string {
	var parts []string
	for _, f := range s.Fields {
		if f.Key {
			parts = append(parts, textOf(f.In(entry)))
		}
	}
	return strings.Join(parts, " ")
}

// textOf formats a value so that different values have different texts.
func textOf(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = textOf(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		return schema.Format(v)
	}
}

func leavesOfBot(b Bot, s *schema.Schema) []leaf {
	return flatten(reflect.ValueOf(b), s, "")
}

// leavesOfChat ignores the order of the cast.
func leavesOfChat(c Chat, s *schema.Schema) []leaf {
	c.Cast = slices.Sorted(slices.Values(c.Cast))
	return flatten(reflect.ValueOf(c), s, "")
}

// edits returns the leaves that differ, in the order of the wanted ones, and then those that are
// gone.
func edits(before, after []leaf) []Edit {
	old := make(map[string]string, len(before))
	for _, l := range before {
		old[l.path] = l.text
	}
	var list []Edit
	for _, l := range after {
		text, found := old[l.path]
		if !found || text != l.text {
			list = append(list, Edit{Path: l.path, Before: text, After: l.text})
		}
		delete(old, l.path)
	}
	for _, l := range before {
		if _, gone := old[l.path]; gone {
			list = append(list, Edit{Path: l.path, Before: l.text})
		}
	}
	return list
}
