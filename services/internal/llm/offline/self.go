package offline

import (
	"slices"
	"strings"
)

// inFirstPerson is a sentence about the persona as it says it itself, or "" where that
// takes more than exchanging pronouns and the first verb.
func (l *language) inFirstPerson(sentence string) string {
	x := l.lexicon
	w := strings.Fields(sentence)
	if len(x.First) == 0 || len(w) < 3 {
		return ""
	}
	subject := func(s string) bool { return x.First[strings.ToLower(s)] == x.First["he"] }
	if verb := verbOf(w[0]); verb != w[0] && !subject(w[0]) && x.First[strings.ToLower(w[0])] == "" {
		w[0] = strings.ToLower(w[0])
		w = append([]string{"He"}, w...) // "Grows everything from seed."
	}
	first := subject(w[0])
	if l.hasOtherVerb(w, first, subject) {
		return ""
	}
	if !l.exchange(w) && !first {
		return "" // no sentence about it, or a fragment
	}
	if first {
		i := 1
		for i+1 < len(w) && slices.Contains(x.Adverbs, w[i]) {
			i++
		}
		w[i] = verbOf(w[i])
	}
	return strings.Join(w, " ")
}

// hasOtherVerb reports whether verbs besides the first would have to change: "hopes that
// he knows", "trusts and waits".
func (l *language) hasOtherVerb(w []string, first bool, subject func(string) bool) bool {
	joins := func(s string) bool { return strings.HasSuffix(s, ",") || slices.Contains(l.lexicon.Binding, s) }
	for i := range w {
		bare := strings.Trim(w[i], ",;")
		switch {
		case i > 0 && subject(bare) && i+1 < len(w) && verbOf(w[i+1]) != w[i+1]:
			return true // "hopes that he knows"
		case first && i > 1 && slices.ContainsFunc(w[max(1, i-2):i], joins) && verbOf(bare) != bare:
			return true // a second verb
		}
	}
	return false
}

// exchange puts the first person's pronouns in place of the third's, if there are any.
func (l *language) exchange(w []string) (found bool) {
	for i := range w {
		bare := strings.TrimRight(w[i], ",;")
		own := l.lexicon.First[strings.ToLower(bare)]
		if own == "" {
			continue
		}
		if next := i + 1; own == "my" && strings.EqualFold(bare, "her") && (bare != w[i] || next == len(w) || l.stop[w[next]] && w[next] != "own") {
			own = "me"
		}
		w[i], found = own+w[i][len(bare):], true
	}
	return found
}

// verbOf is an English verb of the third person as the first has it; what is no such
// verb stays as it is.
func verbOf(w string) string {
	switch lower := strings.ToLower(w); lower {
	case "is":
		return "am"
	case "has":
		return "have"
	case "does", "goes", "doesn't":
		return strings.Replace(lower, "es", "", 1)
	case "was", "his", "its", "this", "as", "us", "always", "perhaps", "towards", "yes", "plus", "besides", "sometimes":
		return w
	}
	for _, end := range []struct{ of, to string }{
		{"ies", "y"},
		{"ches", "ch"},
		{"shes", "sh"},
		{"sses", "ss"},
		{"xes", "x"},
		{"zzes", "zz"},
		{"ss", "ss"},
		{"us", "us"},
		{"'s", "'s"},
		{"s", ""},
	} {
		if root, ok := strings.CutSuffix(w, end.of); ok && len(root) > 1 {
			return root + end.to
		}
	}
	return w
}
