package preflight

import (
	"context"
	"errors"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// textPatience is how long a model may take for one word.
const textPatience = 30 * time.Second

// Texts asks a provider for one word, which costs next to nothing and proves the
// address, the key and the model.
func Texts(ctx context.Context, name string, p llm.Provider) []Finding {
	return asked(ctx, name, "writes", p, llm.Request{
		Scene:     llm.Scene{Persona: llm.Persona{Name: "Anna", Tone: "neutral"}, Topic: "tea", Language: "en"},
		Messages:  []llm.Message{{Role: llm.RoleUser, Content: "Answer with the word yes."}},
		MaxTokens: 5,
	})
}

// Embeddings asks a provider of embeddings for that of a word.
func Embeddings(ctx context.Context, name string, p llm.Provider) []Finding {
	return asked(ctx, name, "compares", p, llm.Request{Embed: []string{"tea"}})
}

func asked(ctx context.Context, name, does string, p llm.Provider, r llm.Request) []Finding {
	const check = "llm"
	ctx, cancel := context.WithTimeout(ctx, textPatience)
	defer cancel()
	began := time.Now()
	_, err := p.Generate(ctx, r)
	switch {
	case err == nil:
		return []Finding{well(check, name, does+", after "+time.Since(began).Round(time.Millisecond).String())}
	case errors.Is(err, llm.ErrThrottled):
		return []Finding{warn(check, name, "takes the key, but no request now: "+err.Error(), "look at the quota and the rate limit of this key")}
	case errors.Is(err, llm.ErrPermanent):
		return []Finding{fail(check, name, "refuses: "+err.Error(), "check the key (llm.key), the model (llm.model) and the address (llm.url)")}
	default:
		return []Finding{fail(check, name, "can't be reached: "+err.Error(), "check llm.url, and whether this machine reaches it")}
	}
}
