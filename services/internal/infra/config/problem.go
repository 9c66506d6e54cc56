package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry/redact"
)

// Error is all that is wrong with a configuration. No line repeats a secret.
type Error struct {
	// Lines has one line for each mistake: where it was made, the key, the value
	// and what is allowed.
	Lines []string
}

// Error is the lines.
func (e *Error) Error() string { return strings.Join(e.Lines, "\n") }

// ExitCode is 2, as for any mistake in how a program was called.
func (e *Error) ExitCode() int { return 2 }

// problems collects mistakes.
type problems struct {
	lines []string
	// file is the name of the configuration's file.
	file string
	// unusable has the paths of fields whose values could not be read.
	unusable map[string]bool
}

func (p *problems) addf(format string, args ...any) {
	line := redact.New().String(fmt.Sprintf(format, args...))
	p.lines = append(p.lines, strings.ReplaceAll(line, "\n", " "))
}

func (p *problems) err() error {
	if len(p.lines) == 0 {
		return nil
	}
	// The file from its top to its end, then the rest as it was found.
	slices.SortStableFunc(p.lines, func(a, b string) int { return cmp.Compare(p.place(a), p.place(b)) })
	return &Error{Lines: p.lines}
}

// place is the number of the file's line that a mistake is in, or what comes after all
// of them.
func (p *problems) place(mistake string) int {
	rest, inFile := strings.CutPrefix(mistake, p.file+":")
	number, _, _ := strings.Cut(rest, ":")
	if line, err := strconv.Atoi(number); inFile && err == nil {
		return line
	}
	return math.MaxInt
}

// check reads a value as the type of its field, and reports it if that fails.
func (p *problems) check(f *field, r raw) bool {
	k, _ := kindOf(f.value.Type())
	if _, err := k.parse(r); err == nil {
		return true
	}
	p.unusable[f.path] = true
	switch {
	case r.IsList:
		p.addf("%s: %s: is a list, want %s", r.Origin, f.path, k.want)
	case f.hidden || k.name == kindRef:
		p.addf("%s: %s: %s, want %s", r.Origin, f.path, mask, k.want)
	default:
		p.addf("%s: %s: %q, want %s", r.Origin, f.path, shorten(r.Text), k.want)
	}
	return false
}

// shorten keeps a line a line, whatever was pasted.
func shorten(s string) string {
	const limit = 80
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}

// Suggest is a question after the nearest name, or "" if none is near.
func Suggest(name string, candidates []string) string {
	best, distance := "", 1+max(2, len(name)/4)
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(name, c); d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}
