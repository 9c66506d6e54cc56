package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/goccy/go-json"
)

// loadEach is loadAll with the results in the order of the keys.
func (k *Kind[K, V]) loadEach(ctx context.Context, keys []K) ([]*entry, error) {
	found, err := k.loadAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	entries := make([]*entry, len(keys))
	for i, key := range keys {
		entries[i] = found[key]
	}
	return entries, nil
}

// loadAll reads values from Redis, and missing ones from the source.
func (k *Kind[K, V]) loadAll(ctx context.Context, keys []K) (map[K]*entry, error) {
	ctx = context.WithoutCancel(ctx)
	if !k.shared() {
		entries, _, err := k.read(ctx, keys)
		return entries, err
	}
	places := make([]string, len(keys))
	for i, key := range keys {
		places[i] = k.place(int64(key))
	}
	stored, err := k.cache.shared.get(ctx, k.gen, places)
	if err != nil {
		return k.fill(ctx, keys, places, err)
	}
	entries := make(map[K]*entry, len(keys))
	var missing []K
	var wanted []string
	for i, key := range keys {
		if e := k.known(stored[i]); e != nil {
			entries[key] = e
			continue
		}
		missing, wanted = append(missing, key), append(wanted, places[i])
	}
	k.count.sharedHits.Add(float64(len(entries)))
	if len(missing) == 0 {
		return entries, nil
	}
	filled, err := k.fill(ctx, missing, wanted, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(entries, filled)
	return entries, nil
}

// fill reads values from the source and stores them in Redis, unless Redis has failed.
func (k *Kind[K, V]) fill(ctx context.Context, keys []K, places []string, failed error) (map[K]*entry, error) {
	var l leases
	if failed == nil {
		k.count.sharedMisses.Add(float64(len(keys)))
		l, failed = k.cache.shared.acquire(ctx, k.gen, places)
	}
	if failed != nil {
		k.cache.shared.failed(k.spec.Name, failed)
	}
	entries, texts, err := k.read(ctx, keys)
	if err == nil && failed == nil {
		k.put(ctx, l, places, texts)
	}
	return entries, err
}

// put stores values in Redis, unless they were invalidated in the meantime.
func (k *Kind[K, V]) put(ctx context.Context, l leases, places []string, texts [][]byte) {
	values := make([]string, len(places))
	for i, text := range texts {
		values[i] = encode(l.generation, text)
	}
	refused, err := k.cache.shared.put(ctx, l, places, values, k.spec.TTL/2)
	if err != nil {
		k.cache.shared.failed(k.spec.Name, err)
	}
	k.count.outdatedPuts.Add(float64(refused))
}

// encode returns the encoding of a value, or of a missing value, for Redis.
func encode(generation string, text []byte) string {
	if text == nil {
		return string(isNone) + generation
	}
	return string(isValue) + generation + string(text)
}

var errNoValue = errors.New("neither a value nor the lack of one")

// known decodes a value from Redis; nil if it is missing or invalid.
func (k *Kind[K, V]) known(stored string) *entry {
	if stored == "" {
		return nil
	}
	e, err := k.decode(stored)
	if err != nil {
		k.cache.metrics.failed(k.spec.Name)
		return nil
	}
	return e
}

// decode is the inverse of encode.
func (k *Kind[K, V]) decode(stored string) (*entry, error) {
	e := k.entry(true)
	e.size = overhead + uint32(len(stored)) //nolint:gosec // Redis' limit is 512 MB
	switch stored[0] {
	case isNone:
		return e, nil
	case isValue:
		var value V
		if err := json.Unmarshal([]byte(stored[1+tokenSize:]), &value); err != nil {
			return e, fmt.Errorf("decode: %w", err)
		}
		e.value, e.found = value, true
		return e, nil
	}
	return e, errNoValue
}
