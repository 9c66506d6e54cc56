// Package guard checks a draft before it is sent. It is a chain of small rules: each looks for one
// thing that a text must not contain, and returns the reason of its objection. It is pure; checks
// that need the database or a model are made by the generator.
package guard

import (
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/names"
)

// Draft is a text and its context.
type Draft struct {
	Text  string
	Scene script.Scene
	// Allowed holds the usernames, with @, that the text may mention.
	Allowed []string
	// Offline marks a text from templates, which know one language.
	Offline bool

	// The text as the rules read it, prepared once.
	lower string
	words []string
	// found is set by the rule that objects: the words it objects to, or "" for the whole text.
	found string
}

// Objection says why a draft must not be sent.
type Objection struct {
	// Rule is the rule's name, for stored drafts and metrics.
	Rule string
	// Reason is a whole sentence, for the writer.
	Reason string
	// Found holds the words that the rule objects to, perhaps in lower case; "" means the whole
	// text.
	Found string
}

// Rule looks for one thing.
type Rule struct {
	Name string
	// Object returns the reason for an objection, or "".
	Object func(d *Draft) string
}

// The names of rules that other code refers to.
const (
	RuleTooLong = "too_long"
	RuleRepeat  = "repeat" // needs the database
	RuleStance  = "stance" // its doubtful cases need a model
)

// Rules returns all rules in order. The first that objects decides, so the rules whose reason helps
// the writer more come first.
func Rules() []Rule {
	return []Rule{
		{"empty", empty},
		{"prompt_leak", promptLeak},
		{"data", data},
		{"role_label", roleLabel},
		{"assistant", assistant},
		{"link", link},
		{"mention", mention},
		{"human_claim", humanClaim},
		{"promise", promise},
		{"advice", advice},
		{"markup", markup},
		{"quoted", quoted},
		{RuleTooLong, tooLong},
		{"language", language},
		{RuleStance, stance},
	}
}

// apostrophes replaces all characters used as apostrophes by one.
//
//nolint:gochecknoglobals // constant
var apostrophes = strings.NewReplacer("’", "'", "`", "'", "´", "'")

// Check runs the rules, and returns nil if none objects. It also checks the text with look-alike
// characters folded: full-width letters, dots and slashes don't hide a link or a claim.
func Check(d Draft) *Objection {
	d.Text = visible(d.Text)
	if o := ask(d, func(string) bool { return true }); o != nil {
		return o
	}
	if folded := names.Fold(d.Text); folded != d.Text {
		d.Text = folded
		return ask(d, ofWords)
	}
	return nil
}

// ofWords reports whether a rule is about the content of a text and not about its form.
func ofWords(rule string) bool {
	switch rule {
	case "prompt_leak", "assistant", "link", "mention", "human_claim", "promise", "advice":
		return true
	}
	return false
}

func ask(d Draft, about func(rule string) bool) *Objection {
	d.read()
	for _, r := range Rules() {
		if !about(r.Name) {
			continue
		}
		d.found = ""
		if reason := r.Object(&d); reason != "" {
			return &Objection{Rule: r.Name, Reason: reason, Found: strings.TrimSpace(d.found)}
		}
	}
	return nil
}

// CheckNamed checks a draft that passed together with the name that was added to it: the
// combination may be something that must not be said.
func CheckNamed(d Draft) *Objection {
	d.Scene = script.Scene{ForbidAdvice: d.Scene.ForbidAdvice, Answering: d.Scene.Answering, Length: script.Long}
	return Check(d)
}

// read prepares the fields that the rules read.
func (d *Draft) read() {
	d.lower = strings.ToLower(apostrophes.Replace(d.Text))
	d.words = strings.FieldsFunc(d.lower, func(r rune) bool { return !isWord(r) })
	for i, w := range d.words {
		d.words[i] = strings.Trim(w, "'") // at the ends it is a quotation mark
	}
}

// visible removes invisible characters, which could hide words from the rules.
func visible(s string) string { return names.Text(s) }
