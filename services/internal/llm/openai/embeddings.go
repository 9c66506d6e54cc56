package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Embeddings requests embeddings from an API. It is safe for concurrent use.
type Embeddings struct {
	p       Provider
	service sdk.EmbeddingService
}

var _ llm.Provider = (*Embeddings)(nil)

// NewEmbeddings returns a provider of embeddings. See New.
func NewEmbeddings(cfg Config, client *http.Client) (*Embeddings, error) {
	opts, err := options(cfg, client)
	if err != nil {
		return nil, err
	}
	return &Embeddings{p: Provider{cfg: cfg}, service: sdk.NewEmbeddingService(opts...)}, nil
}

// Generate returns the embeddings of the request's messages.
func (e *Embeddings) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	if len(r.Messages) == 0 {
		return llm.Response{}, e.p.permanent("the request has no messages")
	}
	texts := make([]string, len(r.Messages))
	for i, m := range r.Messages {
		texts[i] = m.Content
	}
	got, err := e.p.exchange(ctx, func(ctx context.Context, opts ...option.RequestOption) error {
		_, err := e.service.New(ctx, sdk.EmbeddingNewParams{
			Model: e.p.cfg.Model, Input: sdk.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts},
		}, opts...)
		return err //nolint:wrapcheck // classified by exchange
	})
	if err != nil {
		return llm.Response{}, err
	}
	if said, failed := inBody(got.body); failed {
		return llm.Response{}, e.p.spoken(got, said)
	}
	var answer struct {
		Data  []embedding     `json:"data"`
		Usage json.RawMessage `json:"usage"`
	}
	err = json.Unmarshal(got.body, &answer)
	var vectors [][]float32
	if err == nil {
		vectors, err = inOrder(answer.Data, len(texts))
	}
	if err != nil {
		return llm.Response{}, &llm.Error{
			Class: fail.Transient, Provider: e.p.cfg.Name, Status: got.status, Limits: got.limits,
			Reason: e.p.clean("the answer can't be read: " + err.Error()), Advice: "look whether llm.embeddings.url and llm.embeddings.model are those of embeddings",
		}
	}
	usage := used(answer.Usage)
	usage.Latency = got.latency
	return llm.Response{Embeddings: vectors, Provider: e.p.cfg.Name, Model: e.p.cfg.Model, Usage: usage, Limits: got.limits}, nil
}

// embedding is the embedding of one text.
type embedding struct {
	Index     int64     `json:"index"`
	Embedding []float64 `json:"embedding"`
}

// inOrder returns the embeddings in the order of the texts. It is an error if one is missing or of
// another length.
func inOrder(data []embedding, n int) ([][]float32, error) {
	vectors := make([][]float32, n)
	for _, d := range data {
		if d.Index < 0 || d.Index >= int64(n) || len(d.Embedding) == 0 || len(d.Embedding) != len(data[0].Embedding) {
			return nil, fmt.Errorf("embedding %d of %d has %d numbers", d.Index, n, len(d.Embedding))
		}
		v := make([]float32, len(d.Embedding))
		for i, x := range d.Embedding {
			v[i] = float32(x)
		}
		vectors[d.Index] = v
	}
	for i, v := range vectors {
		if v == nil {
			return nil, fmt.Errorf("embedding %d of %d is missing", i, n)
		}
	}
	return vectors, nil
}
