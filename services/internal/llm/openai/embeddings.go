package openai

import (
	"context"
	"fmt"
	"net/http"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Embeddings asks an API for what texts mean. It is safe for concurrent use.
type Embeddings struct {
	p       Provider
	service sdk.EmbeddingService
}

var _ llm.Provider = (*Embeddings)(nil)

// NewEmbeddings is New for a model of embeddings.
func NewEmbeddings(cfg Config, client *http.Client) (*Embeddings, error) {
	opts, err := options(cfg, client)
	if err != nil {
		return nil, err
	}
	return &Embeddings{p: Provider{cfg: cfg}, service: sdk.NewEmbeddingService(opts...)}, nil
}

// Generate gives the embeddings of the request's texts.
func (e *Embeddings) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	if len(r.Embed) == 0 {
		return llm.Response{}, e.p.permanent("the request has no texts to embed")
	}
	callCtx, cancel := context.WithTimeout(ctx, e.p.cfg.Timeout)
	defer cancel()
	start := time.Now()
	var raw *http.Response
	answer, err := e.service.New(callCtx, sdk.EmbeddingNewParams{
		Model: e.p.cfg.Model, Input: sdk.EmbeddingNewParamsInputUnion{OfArrayOfStrings: r.Embed},
	}, option.WithResponseInto(&raw))
	if err != nil {
		return llm.Response{}, e.p.failure(ctx, callCtx, raw, err)
	}
	vectors, err := inOrder(answer.Data, len(r.Embed))
	if err != nil {
		return llm.Response{}, &llm.Error{
			Class: llm.ErrTransient, Provider: e.p.cfg.Name, Status: raw.StatusCode, Limits: limits(raw.Header), Reason: err.Error(),
		}
	}
	return llm.Response{
		Embeddings: vectors, Provider: e.p.cfg.Name, Model: e.p.cfg.Model,
		Usage:  llm.Usage{PromptTokens: int(answer.Usage.PromptTokens), Latency: time.Since(start)},
		Limits: limits(raw.Header),
	}, nil
}

// inOrder puts each embedding where its text is, and takes no answer but a whole
// one.
func inOrder(data []sdk.Embedding, n int) ([][]float32, error) {
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
