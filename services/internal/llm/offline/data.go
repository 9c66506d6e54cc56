package offline

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/maypok86/otter/v2"
	xlanguage "golang.org/x/text/language"

	"github.com/chorus-cast/chorus/services/internal/voice"
)

//go:embed data
var dataFS embed.FS

// fallback is the language of scenes whose own language has no data.
const fallback = "en"

// What is kept of what changes seldom: about a kilobyte of each message, some of each
// setting, and a hundred of each topic that no family knows.
const (
	maxReadings = 30_000
	maxSettings = 2000
	maxTitled   = 100
)

// language is everything that is said in one language: a folder of data files
// named by its tag, with lexicon.yaml, grammar.yaml,
// answers.yaml and topics/*.yaml.
type language struct {
	tag      string
	lexicon  lexicon
	families []*family
	generic  *family  // for topics that no family knows
	pairs    []pair   // frames that a rule follows on
	pieces   []string // what frames say themselves
	all      languages
	intents  []*intent
	stop     map[string]bool
	kinds    []string        // the kinds of questions, sorted
	common   map[string]bool // words that the topic files write in lower case
	small    map[string]bool // words of the frames: nothing that a message is about

	readings *otter.Cache[[2]string, *reading] // by disclaimer and message
	settings *otter.Cache[string, *setting]    // by what of scenes they are made of
	titled   *otter.Cache[string, *topic]      // the generic topic, by the title that it speaks of
}

// lexicon is how a language's texts are read.
type lexicon struct {
	Stopwords []string             `yaml:"stopwords"`
	Suffixes  []string             `yaml:"suffixes"`
	Voices    map[string]character `yaml:"voices"`
	Questions map[string][]string  `yaml:"questions"` // kind → how such a question begins
	Numbers   []string             `yaml:"numbers"`   // from 0 on
	Foreign   []string             `yaml:"foreign"`   // small words of languages that are not spoken
	Nouns     bool                 `yaml:"nouns"`     // have a capital
	My        string               `yaml:"my"`        // goes before a holding; "" keeps them apart
	Your      string               `yaml:"your"`      // and before somebody else's
	Articles  []string             `yaml:"articles"`  // begin a summary that is a noun phrase
	You       []string             `yaml:"you"`       // words that address somebody
	First     map[string]string    `yaml:"first"`     // words of the third person, and what they are in the first
	Binding   []string             `yaml:"binding"`   // words behind which a second verb may stand
	Adverbs   []string             `yaml:"adverbs"`   // words that may stand before a verb
	Other     string               `yaml:"other"`     // what the other language is called
	Turned    []string             `yaml:"turned"`    // words before which a turn may stand
	Titles    []string             `yaml:"titles"`    // words before a name that belong to it
	Narrators []string             `yaml:"narrators"` // phrases in a summary that make a narrator
	AboutBot  []string             `yaml:"about_bot"` // patterns: is the speaker asked what it is?
	Denials   []string             `yaml:"denials"`   // patterns that no line may match
	Denied    []string             `yaml:"denied"`    // what of each a normalised text that matches one has
	Binders   []string             `yaml:"binders"`   // words that no unbound clause may follow
	Unbound   []string             `yaml:"unbound"`   // words that begin such clauses
	Marker    string               `yaml:"marker"`    // is in a line that tells how to plug in a model
	Negative  []string             `yaml:"negative"`  // stems, once they are read
	Positive  []string             `yaml:"positive"`  // stems, once they are read

	aboutBot, denials *regexp.Regexp
}

// character is how a voice.Character speaks.
type character struct {
	Contrary float64  `yaml:"contrary"` // how often it disagrees, 0 to 1
	Bang     float64  `yaml:"bang"`     // how often it keeps an exclamation mark
	Join     string   `yaml:"join"`     // stands between sentences, if it is no full stop
	Marks    []string `yaml:"marks"`    // emoji, of which each persona has one
}

// family is a field of topics with what can be said of all of them.
type family struct {
	Family    string   `yaml:"family"`
	Title     string   `yaml:"title"`     // what {topic} is when a scene has none
	Recognise []string `yaml:"recognise"` // words in topic, purpose or persona that say: it is this
	Hints     []string `yaml:"hints"`     // words of which it takes two
	Rules     rules    `yaml:"rules"`     // frames on top of the language's grammar
	Instead   rules    `yaml:"instead"`   // frames in place of the language's
	General   topic    `yaml:"general"`
	Topics    []*topic `yaml:"topics"`

	grammar grammar
}

// topic is what can be said about one thing. Clauses are written as in the
// middle of a sentence: no capital, no full stop.
type topic struct {
	Title     string     `yaml:"title"`
	Names     []string   `yaml:"names"`
	Keywords  []string   `yaml:"keywords"` // nouns as they stand in a sentence
	Points    []point    `yaml:"points"`
	Questions []question `yaml:"questions"`
	Images    []string   `yaml:"images"` // noun phrases
	Scenes    []scene    `yaml:"scenes"` // told by narrators

	titled   bool // it is the generic one, of a title
	facts    []*fact
	texts    map[string]*fact   // by text
	normals  map[string]*fact   // by normalised text
	starts   map[string][]*fact // by first word
	keyStems map[string]keyword // by stem
	names    []string           // stems of title and names
}

type keyword struct {
	text  string
	stems []string
}

type point struct {
	Say string   `yaml:"say"`
	And []string `yaml:"and"`
	But []string `yaml:"but"`
}

type question struct {
	Ask     string   `yaml:"ask"`
	Answers []string `yaml:"answers"`
}

// scene is something that happens, in whole sentences, with what the others may
// do about it and what comes of that.
type scene struct {
	Say  string   `yaml:"say"`
	Do   []string `yaml:"do"`   // clauses in the first person
	Then []string `yaml:"then"` // sentences
}

type languages map[string]*language

// match returns the language of a BCP 47 tag, or the fallback.
func (l languages) match(tag string) *language {
	if t, err := xlanguage.Parse(tag); err == nil {
		base, _ := t.Base()
		if found, ok := l[base.String()]; ok {
			return found
		}
	}
	return l[fallback]
}

func loadLanguages(files fs.FS, root string) (languages, error) {
	dirs, err := fs.ReadDir(files, root)
	if err != nil {
		return nil, fmt.Errorf("list languages: %w", err)
	}
	all := languages{}
	for _, d := range dirs {
		l, err := loadLanguage(files, path.Join(root, d.Name()))
		if err != nil {
			return nil, fmt.Errorf("language %s: %w", d.Name(), err)
		}
		all[d.Name()], l.all = l, all
	}
	if all[fallback] == nil {
		return nil, fmt.Errorf("there is no language %q", fallback)
	}
	return all, nil
}

func loadLanguage(files fs.FS, dir string) (*language, error) {
	l := &language{tag: path.Base(dir), stop: map[string]bool{}, small: map[string]bool{}, common: map[string]bool{}}
	var err error
	if l.readings, err = otter.New(&otter.Options[[2]string, *reading]{MaximumSize: maxReadings}); err != nil {
		return nil, fmt.Errorf("keep readings: %w", err)
	}
	if l.settings, err = otter.New(&otter.Options[string, *setting]{MaximumSize: maxSettings}); err != nil {
		return nil, fmt.Errorf("keep settings: %w", err)
	}
	if l.titled, err = otter.New(&otter.Options[string, *topic]{MaximumSize: maxTitled}); err != nil {
		return nil, fmt.Errorf("keep topics: %w", err)
	}
	if err := load(files, path.Join(dir, "lexicon.yaml"), &l.lexicon); err != nil {
		return nil, err
	}
	if err := l.prepareLexicon(); err != nil {
		return nil, err
	}
	var shared rules
	if err := load(files, path.Join(dir, "grammar.yaml"), &shared); err != nil {
		return nil, err
	}
	if err := load(files, path.Join(dir, "answers.yaml"), &l.intents); err != nil {
		return nil, err
	}
	said := rules{}
	for _, i := range l.intents {
		said[i.Rule] = i.Say
		for j, part := range i.Ask {
			i.Ask[j] = voice.Whole(part)
		}
	}
	names, err := fs.Glob(files, path.Join(dir, "topics", "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	sort.Strings(names)
	for _, name := range names {
		f := &family{}
		if err := load(files, name, f); err != nil {
			return nil, err
		}
		if f.grammar, err = compile(shared.without(f.Instead), said, f.Rules, f.Instead); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		l.pieces = append(l.pieces, f.grammar.pieces()...)
		f.grammar.eachWord(func(w string) { l.small[w] = true })
		l.index(f)
		if f.Family == "generic" {
			l.generic, l.pairs = f, f.grammar.pairs()
			continue
		}
		l.families = append(l.families, f)
	}
	slices.Sort(l.pieces)
	l.pieces = slices.Compact(l.pieces)
	if l.generic == nil {
		return nil, fmt.Errorf("no topic file has the family %q", "generic")
	}
	return l, nil
}

func load(files fs.FS, name string, into any) error {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("read data: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(b, into, yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (l *language) prepareLexicon() error {
	x := &l.lexicon
	for _, w := range x.Stopwords {
		l.stop[strings.ToLower(w)] = true
	}
	// Longest first, so that "ies" is tried before "s".
	sort.SliceStable(x.Suffixes, func(i, j int) bool { return len(x.Suffixes[i]) > len(x.Suffixes[j]) })
	for _, all := range [][]string{x.Positive, x.Negative} {
		for i, w := range all {
			all[i] = l.stem(w)
		}
	}
	l.kinds = slices.Sorted(maps.Keys(x.Questions))
	for _, starts := range x.Questions {
		for i, s := range starts {
			starts[i] = voice.Whole(s)
		}
	}
	var err error
	if x.aboutBot, err = anyOf(x.AboutBot); err != nil {
		return fmt.Errorf("about_bot: %w", err)
	}
	if x.denials, err = anyOf(x.Denials); err != nil {
		return fmt.Errorf("denials: %w", err)
	}
	return nil
}

// denies reports whether a text says what no line may.
func (x *lexicon) denies(r *reading) bool {
	may := slices.ContainsFunc(x.Denied, func(w string) bool { return strings.Contains(r.normal, w) })
	return may && x.denials.MatchString(r.text)
}

func anyOf(patterns []string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(`(?i)` + strings.Join(patterns, "|"))
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	return re, nil
}
