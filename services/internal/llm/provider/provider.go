// Package provider builds the text providers of a configuration.
package provider

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/outbound"
	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
)

// Kinds of provider.
const (
	Offline = "offline" // templates, no model and no network
	OpenAI  = "openai"  // any API with OpenAI's chat completions
)

// kind is a kind of provider: the check of its configuration, limits aside, and its constructor.
type kind struct {
	name     string
	problems func(One) []error
	make     func(One) (llm.Provider, error)
}

// kinds returns the table of all kinds. A row without one of its functions doesn't compile.
func kinds() []kind {
	return []kind{
		{Offline, One.unused, func(One) (llm.Provider, error) { return offline.New() }},
		{OpenAI, One.apiProblems, One.openAI},
	}
}

// Kinds returns the names of all kinds.
func Kinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Config configures the providers: the first one, and those that are asked if it can't write a
// text.
type Config struct {
	One

	Second     One        `config:"second"`
	Third      One        `config:"third"`
	Embeddings Embeddings `config:"embeddings"`
}

// Embeddings configures the provider of embeddings and its limits.
type Embeddings struct {
	URL               string        `config:"url" doc:"address, with its version path, of an API with OpenAI's embeddings, which finds texts that say the same in other words; empty for none"`
	Model             string        `config:"model" doc:"the model's name as the API knows it"`
	Key               secret.Ref    `config:"key" doc:"where the API key is: env:NAME or file:PATH; empty for an API without keys"`
	Timeout           time.Duration `config:"timeout" doc:"longest time for one call, in which a text waits"`
	Workers           int           `config:"workers" doc:"calls that one generator makes at the same time"`
	RequestsPerMinute int           `config:"requests_per_minute" doc:"most calls in any minute, of all generators together; 0 for no limit"`
	TokensPerMinute   int           `config:"tokens_per_minute" doc:"most tokens in a minute, of all generators together; 0 for no limit"`
	DailyTokens       int64         `config:"daily_tokens" doc:"most tokens in a day (UTC); 0 for no limit"`
	DailyCost         float64       `config:"daily_cost" doc:"most that a day (UTC) may cost, in the currency of the price, if one is set; 0 for no limit"`
	Price             float64       `config:"price" doc:"price of a million tokens"`
}

// embeddingsName names their provider in usage, metrics and logs.
const embeddingsName = "embeddings"

// one returns the provider's configuration. Its answers are large: an embedding is some thousand
// numbers of a dozen characters, and a call asks for up to a hundred embeddings.
func (e Embeddings) one() One {
	p := defaultOne()
	p.Kind, p.Name, p.MaxAnswer = OpenAI, embeddingsName, 8<<20
	p.URL, p.Model, p.Key, p.Timeout, p.Workers = e.URL, e.Model, e.Key, e.Timeout, e.Workers
	p.RequestsPerMinute, p.TokensPerMinute = e.RequestsPerMinute, e.TokensPerMinute
	p.DailyTokens, p.DailyCost, p.PromptPrice = e.DailyTokens, e.DailyCost, e.Price
	return p
}

// One configures one provider and its limits.
type One struct {
	Kind              string        `config:"kind" doc:"who writes the texts: offline (templates, no model needed) or openai (any API with OpenAI's chat completions); a second and third are asked where those before can't, and are nobody if this is empty"`
	Name              string        `config:"name" doc:"what the provider is called in usage, metrics and logs; empty for its kind"`
	URL               string        `config:"url" doc:"the API's address with its version path, such as https://api.openai.com/v1"`
	Model             string        `config:"model" doc:"the model's name as the API knows it"`
	Key               secret.Ref    `config:"key" doc:"where the API key is: env:NAME or file:PATH; empty for an API without keys"`
	Timeout           time.Duration `config:"timeout" doc:"longest time for one call, from dialling to the last byte"`
	LoadTimeout       time.Duration `config:"load_timeout" doc:"longest time for the first call to a provider that has not answered for four minutes, because it may have to load its model; only that call waits so long, the others go to the next provider or wait for it; 0s for timeout"`
	MaxTokens         string        `config:"max_tokens_field" doc:"request field that bounds the answer: max_tokens, or max_completion_tokens for OpenAI's reasoning models"`
	Extra             string        `config:"extra" object:"true" doc:"further fields of each request, as a JSON object, such as {\"reasoning_effort\":\"none\"} to switch a model's thinking off"`
	MaxAnswer         int64         `config:"max_answer_bytes" doc:"longest answer that is read, in bytes"`
	Workers           int           `config:"workers" doc:"calls that one generator makes at the same time"`
	RequestsPerMinute int           `config:"requests_per_minute" doc:"most calls in any minute, of all generators together; 0 for no limit"`
	TokensPerMinute   int           `config:"tokens_per_minute" doc:"most tokens in a minute, of all generators together; 0 for no limit"`
	DailyTokens       int64         `config:"daily_tokens" doc:"most tokens in a day (UTC); 0 for no limit"`
	DailyCost         float64       `config:"daily_cost" doc:"most that a day (UTC) may cost, in the currency of the prices, if they are set; 0 for no limit"`
	PromptPrice       float64       `config:"prompt_price" doc:"price of a million tokens of prompts"`
	CompletionPrice   float64       `config:"completion_price" doc:"price of a million tokens of answers"`
	BreakerFailures   int           `config:"breaker_failures" doc:"failures in a row after which the provider is left alone"`
	BreakerDelay      time.Duration `config:"breaker_delay" doc:"how long it is left alone then, before one call tries it again"`
}

// DefaultConfig returns a configuration that writes offline. The other fields are the defaults of
// an API for which only the kind, URL and model are set.
func DefaultConfig() Config {
	one := defaultOne()
	c := Config{One: one, Second: one, Third: one, Embeddings: Embeddings{Timeout: 5 * time.Second, Workers: one.Workers, DailyCost: defaultDailyCost}}
	c.Kind = Offline
	return c
}

// defaultDailyCost limits the cost of a day if prices are set and no limit is: a mistake or a
// lively group costs no more.
const defaultDailyCost = 5

// dailyCost returns the limit of a day's cost; 0 if it is the default and there are no prices.
func (p One) dailyCost() float64 {
	if p.DailyCost == defaultDailyCost && p.PromptPrice+p.CompletionPrice == 0 {
		return 0
	}
	return p.DailyCost
}

// defaultLoadTimeout is enough for a model of a hundred gigabytes from a fast disk.
const defaultLoadTimeout = 5 * time.Minute

func defaultOne() One {
	d, l := openai.Default(), chain.DefaultLimits()
	return One{
		DailyCost: defaultDailyCost,
		Timeout:   d.Timeout, LoadTimeout: defaultLoadTimeout, MaxTokens: d.MaxTokensField, MaxAnswer: d.MaxAnswerBytes,
		Workers: l.Workers, BreakerFailures: l.BreakerFailures, BreakerDelay: l.BreakerDelay,
	}
}

// Budgets returns the limits of all providers of texts and embeddings, by their names in usage.
func (c Config) Budgets() map[string]chain.Limits {
	all, _ := c.named()
	if c.Embeddings.URL != "" {
		all = append(all, c.Embeddings.one())
	}
	budgets := make(map[string]chain.Limits, len(all))
	for _, p := range all {
		budgets[p.name()] = p.limits()
	}
	return budgets
}

// named returns the configured providers, each with the prefix of its keys.
func (c Config) named() (all []One, prefixes []string) {
	for _, p := range []struct {
		One
		prefix string
	}{{c.One, ""}, {c.Second, "second."}, {c.Third, "third."}} {
		if p.Kind != "" || p.prefix == "" {
			all, prefixes = append(all, p.One), append(prefixes, p.prefix)
		}
	}
	return all, prefixes
}

// Validate joins all errors.
func (c Config) Validate() error {
	var errs []error
	all, prefixes := c.named()
	names := map[string]bool{}
	for i, p := range all {
		for _, err := range p.problems() {
			errs = append(errs, fmt.Errorf("%s%w", prefixes[i], err))
		}
		if names[p.name()] {
			errs = append(errs, fmt.Errorf("%sname: %q is the name of another provider too, want one of its own", prefixes[i], p.name()))
		}
		names[p.name()] = true
	}
	for prefix, p := range map[string]One{"second.": c.Second, "third.": c.Third} {
		if p.Kind == "" && (p.URL != "" || p.Model != "") {
			errs = append(errs, fmt.Errorf("%skind: is empty, but %surl or %smodel is set: want %s", prefix, prefix, prefix, schema.Or(Kinds())))
		}
	}
	errs = append(errs, c.embeddingsProblems(names)...)
	if c.Second.Kind == "" && c.Third.Kind != "" {
		errs = append(errs, errors.New("third.kind: is set, but second.kind is not: want the second first"))
	}
	return errors.Join(errs...)
}

func (c Config) embeddingsProblems(taken map[string]bool) []error {
	const prefix = "embeddings."
	if c.Embeddings.URL == "" {
		if c.Embeddings.Model != "" {
			return []error{fmt.Errorf("%surl: is empty, but %smodel is set: want the API's address", prefix, prefix)}
		}
		return nil
	}
	var errs []error
	p := c.Embeddings.one()
	if p.dailyCost() > 0 && p.PromptPrice == 0 {
		errs = append(errs, fmt.Errorf("%sdaily_cost: %v, but without %sprice nothing costs anything", prefix, p.DailyCost, prefix))
		p.DailyCost = 0
	}
	for _, err := range p.problems() {
		errs = append(errs, fmt.Errorf("%s%w", prefix, err))
	}
	if taken[embeddingsName] {
		errs = append(errs, fmt.Errorf("name: %q is the name of the embeddings in usage, want another one", embeddingsName))
	}
	return errs
}

func (p One) name() string { return cmp.Or(p.Name, p.Kind) }

const namePattern = `^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,31}$`

func (p One) problems() []error {
	var errs []error
	if !regexp.MustCompile(namePattern).MatchString(p.name()) && p.Name != "" {
		errs = append(errs, fmt.Errorf("name: %q, want 1 to 32 letters, digits and any of - _ . in it", p.Name))
	}
	k := p.kind()
	if k == nil {
		return append(errs, fmt.Errorf("kind: %q, want %s", p.Kind, schema.Or(Kinds())))
	}
	return slices.Concat(errs, k.problems(p), split(p.limits().Validate()))
}

// kind returns the row of the provider's kind; nil if there is none.
func (p One) kind() *kind {
	all := kinds()
	if i := slices.IndexFunc(all, func(k kind) bool { return k.name == p.Kind }); i >= 0 {
		return &all[i]
	}
	return nil
}

func (p One) apiProblems() []error {
	// The limits check the timeout, too, so it is not reported twice.
	api := p.api(secret.String{})
	api.Timeout = time.Second
	return split(api.Validate())
}

// split returns the parts of joined errors.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

// unused objects to API settings that the offline kind ignores.
func (p One) unused() []error {
	var errs []error
	if p.URL != "" {
		errs = append(errs, fmt.Errorf("url: is set, but kind is %s: set kind to %s to use it", Offline, OpenAI))
	}
	if p.Model != "" {
		errs = append(errs, fmt.Errorf("model: %q is set, but kind is %s: set kind to %s to use it", p.Model, Offline, OpenAI))
	}
	return errs
}

// New builds the providers in order. It resolves their keys once.
func New(c Config) ([]chain.Link, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	all, prefixes := c.named()
	links := make([]chain.Link, 0, len(all))
	for i, p := range all {
		made, err := p.kind().make(p)
		if err != nil {
			return nil, fmt.Errorf("%s%w", prefixes[i], err)
		}
		links = append(links, chain.Link{Name: p.name(), Model: p.Model, Provider: made, Limits: p.limits()})
	}
	return links, nil
}

// NewEmbeddings builds the provider of embeddings; none if none is configured. It resolves its key
// once.
func NewEmbeddings(c Config) ([]chain.Link, error) {
	if c.Embeddings.URL == "" {
		return nil, nil
	}
	p := c.Embeddings.one()
	key, err := p.key()
	if err != nil {
		return nil, fmt.Errorf("embeddings.%w", err)
	}
	made, err := openai.NewEmbeddings(p.api(key), p.client())
	if err != nil {
		return nil, fmt.Errorf("embeddings.%w", err)
	}
	return []chain.Link{{Name: p.name(), Provider: made, Limits: p.limits()}}, nil
}

func (p One) openAI() (llm.Provider, error) {
	key, err := p.key()
	if err != nil {
		return nil, err
	}
	return openai.New(p.api(key), p.client())
}

// key returns the API's key; empty for an API without keys.
func (p One) key() (secret.String, error) {
	if p.Key == (secret.Ref{}) {
		return secret.String{}, nil
	}
	key, err := secret.Resolve(p.Key)
	if err != nil {
		return key, fmt.Errorf("key: %w", err)
	}
	return key, nil
}

// A live provider accepts a connection, and acknowledges what it receives, within moments, however
// long its model takes.
const connectTimeout, unacknowledged = 30 * time.Second, 20 * time.Second

func (p One) client() *http.Client { return &http.Client{Transport: transport(p.Workers)} }

// transport keeps as many idle connections as there are workers: with the default of two, most
// calls would dial.
func transport(workers int) http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := base.Clone()
	t.MaxIdleConnsPerHost = workers
	// A request that arrives after its caller gave up is billed, and useless.
	t.DialContext = outbound.Dialer{Connect: connectTimeout, Unacknowledged: unacknowledged}.DialContext
	return t
}

func (p One) api(key secret.String) openai.Config {
	return openai.Config{
		Name: p.name(), BaseURL: p.URL, Model: p.Model, Key: key,
		// The chain limits each call; this is the longest limit.
		Timeout: max(p.Timeout, p.LoadTimeout), MaxTokensField: p.MaxTokens, MaxAnswerBytes: p.MaxAnswer, Extra: p.Extra,
	}
}

func (p One) limits() chain.Limits {
	return chain.Limits{
		Workers: p.Workers, Timeout: p.Timeout, LoadTimeout: p.LoadTimeout, RequestsPerMinute: p.RequestsPerMinute, TokensPerMinute: p.TokensPerMinute,
		DailyTokens: p.DailyTokens, DailyCost: p.dailyCost(), PromptPrice: p.PromptPrice, CompletionPrice: p.CompletionPrice,
		BreakerFailures: p.BreakerFailures, BreakerDelay: p.BreakerDelay,
	}
}
