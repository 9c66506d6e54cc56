package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
)

// loadShared reads values from Redis, and puts there what it has to read from the
// source.
func (k *Kind[K, V]) loadShared(ctx context.Context, keys []K) (map[K]entry[V], error) {
	s := k.cache.shared
	places := make([]string, len(keys))
	for i, key := range keys {
		places[i] = place(k.spec.Name, k.spec.Version, int64(key))
	}
	stored, err := s.get(ctx, k.gen, places)
	if err != nil {
		s.failed(k.spec.Name, err)
		entries, _, err := k.read(ctx, keys)
		return entries, err
	}
	entries := make(map[K]entry[V], len(keys))
	var missing []K
	var wanted []string
	for i, key := range keys {
		if stored[i] != "" {
			if e, err := k.decode(stored[i]); err == nil {
				entries[key] = e
				continue
			}
			s.metrics.failed(k.spec.Name)
		}
		missing, wanted = append(missing, key), append(wanted, places[i])
	}
	k.count.sharedGot(len(entries), len(missing))
	if len(missing) == 0 {
		return entries, nil
	}
	leases, err := s.acquire(ctx, k.gen, wanted)
	if err != nil {
		s.failed(k.spec.Name, err)
	}
	read, texts, readErr := k.read(ctx, missing)
	if readErr != nil {
		return nil, readErr
	}
	if err == nil {
		k.put(ctx, leases, wanted, texts)
	}
	maps.Copy(entries, read)
	return entries, nil
}

// put stores what was read in Redis, as far as it is still the newest.
func (k *Kind[K, V]) put(ctx context.Context, l leases, places []string, texts [][]byte) {
	values := make([]string, len(places))
	for i, text := range texts {
		values[i] = encode(l.generation, text)
	}
	refused, err := k.cache.shared.put(ctx, l, places, values, k.spec.TTL/2)
	if err != nil {
		k.cache.shared.failed(k.spec.Name, err)
	}
	k.count.outdated(refused)
}

// encode is a value, or the lack of one, as Redis has it.
func encode(generation string, text []byte) string {
	if text == nil {
		return string(isNone) + generation
	}
	return string(isValue) + generation + string(text)
}

var errNoValue = errors.New("neither a value nor the lack of one")

// decode reads what encode wrote.
func (k *Kind[K, V]) decode(stored string) (entry[V], error) {
	e := entry[V]{size: overhead + uint32(len(stored)), ttl: k.ttl(true)} //nolint:gosec // Redis' limit is 512 MB
	switch stored[0] {
	case isNone:
		return e, nil
	case isValue:
		e.found = true
		if err := json.Unmarshal([]byte(stored[1+tokenSize:]), &e.value); err != nil {
			return e, fmt.Errorf("decode: %w", err)
		}
		return e, nil
	}
	return e, errNoValue
}
