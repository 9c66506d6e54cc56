// Package guard judges drafts before anybody reads them. It is a chain of small
// rules: each looks for one thing that must not be said, and says why it objects.
// It is pure; what needs the database or a model is asked elsewhere.
package guard

import (
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/names"
)

// Draft is a text and what it is judged by.
type Draft struct {
	Text  string
	Scene script.Scene
	// Allowed are the usernames, with their @, that the text may mention.
	Allowed []string
	// Offline texts come from templates, which know one language.
	Offline bool

	// What the rules look at, made once.
	lower string
	words []string
	// found is set by the rule that objects: the words that it is about, none where it is
	// all of the text.
	found string
}

// Objection is why a draft must not be sent.
type Objection struct {
	// Rule is the rule's name, for receipts and metrics.
	Rule string
	// Reason is for the writer, and a whole sentence.
	Reason string
	// Found are the words that the rule is about, maybe in lower case; "" where it is all of
	// the text.
	Found string
}

// Rule looks for one thing.
type Rule struct {
	Name string
	// Object is the reason for an objection, or "".
	Object func(d *Draft) string
}

// The names of rules that are named elsewhere, too.
const (
	RuleTooLong = "too_long"
	RuleRepeat  = "repeat" // needs the database
	RuleStance  = "stance" // its doubtful cases need a model
)

// Rules are all rules, in their order: the first that objects decides, so the more
// telling ones come first.
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

// apostrophes makes all signs for one the same.
//
//nolint:gochecknoglobals // constant
var apostrophes = strings.NewReplacer("’", "'", "`", "'", "´", "'")

// Check asks the rules. Nil is no objection. What a text says is judged by how it
// reads, too: full-width and other look-alikes of letters, dots and slashes don't
// hide a link or a claim.
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

// ofWords tells whether a rule is about what a text says, and not about its form.
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

// CheckNamed asks the rules about a draft that passed, once the name of whom it
// answers was put to it: whether both together are what one must not say.
func CheckNamed(d Draft) *Objection {
	d.Scene = script.Scene{ForbidAdvice: d.Scene.ForbidAdvice, Answering: d.Scene.Answering, Length: script.Long}
	return Check(d)
}

// read makes what the rules look at.
func (d *Draft) read() {
	d.lower = strings.ToLower(apostrophes.Replace(d.Text))
	d.words = strings.FieldsFunc(d.lower, func(r rune) bool { return !isWord(r) })
	for i, w := range d.words {
		d.words[i] = strings.Trim(w, "'") // a quotation mark, there
	}
}

// visible is a text without what people can't see, which could hide from the
// rules what they look for.
func visible(s string) string { return names.Text(s) }
