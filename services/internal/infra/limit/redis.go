package limit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// No limiter library takes tokens from several buckets in one step: redis_rate, go-redis'
// own, has one key per call. With one request per bucket, a refusal by a later bucket would
// lose the tokens already taken.

//go:embed reserve.lua
var reserveScript string

//go:embed cool.lua
var coolScript string

// Redis is a limiter for any number of processes.
//
// It uses Redis' clock only. Requests and replies contain durations, so the processes'
// clocks needn't agree. If Redis' clock is set forward, buckets are full too early; if it
// is set back, waits are longer, by a minute at most.
//
// All keys of a bot have its id as their hash tag, so that they are in one slot of a
// cluster.
type Redis struct {
	client        redis.Scripter
	window        time.Duration
	reserve, cool *redis.Script
}

// NewRedis returns a limiter on a Redis server. Cool-downs in two chats of a bot within the
// window hold the bot back everywhere.
func NewRedis(client redis.Scripter, window time.Duration) *Redis {
	return &Redis{client: client, window: window, reserve: redis.NewScript(reserveScript), cool: redis.NewScript(coolScript)}
}

// Reserve takes the tokens of a call. If Redis fails, it returns an error, and the tokens
// may have been taken. Only the context limits its duration.
func (r *Redis) Reserve(ctx context.Context, c Call, maxWait time.Duration) (Verdict, error) {
	a, err := r.ask(ctx, c, maxWait, asItIs)
	return a.Verdict, err
}

// answer is a verdict with its reasons.
type answer struct {
	Verdict

	// chat and bot are how long the bot is held back in the chat, and everywhere.
	chat, bot time.Duration
	// at is Redis' time in microseconds.
	at int64
}

// asItIs means that the bot's bucket counts as Redis has it.
const asItIs = -time.Microsecond

// ask reserves. Unless from is asItIs, the bot's bucket counts as empty, and its next token
// comes after from at the earliest.
func (r *Redis) ask(ctx context.Context, c Call, maxWait, from time.Duration) (answer, error) {
	bot := keysOf(c.Bot)
	keys := []string{bot.chat(c.Chat), bot.cooling(), bot.bucket()}
	maxWait = min(maxWait, LongestQueue)
	args := []any{maxWait.Microseconds(), from.Microseconds(), LongestQueue.Microseconds(), c.OfBot.Every.Microseconds(), c.OfBot.Ahead.Microseconds()}
	for i, rate := range c.InChat {
		keys = append(keys, bot.chatBucket(c.Chat, i))
		args = append(args, rate.Every.Microseconds(), rate.Ahead.Microseconds())
	}
	reply, err := r.reserve.Run(ctx, r.client, keys, args...).Int64Slice()
	if err != nil {
		return answer{}, fmt.Errorf("reserve in Redis: %w", err)
	}
	return parse(reply, maxWait)
}

var errRubbish = errors.New("a Redis that is no Redis")

// parse decodes the script's reply.
func parse(reply []int64, maxWait time.Duration) (answer, error) {
	const fields = 5
	if len(reply) != fields {
		return answer{}, fmt.Errorf("%w: %d numbers, want %d", errRubbish, len(reply), fields)
	}
	a := answer{
		Verdict: Verdict{Granted: reply[0] == 1, Wait: micros(reply[1])},
		chat:    micros(reply[2]), bot: micros(reply[3]), at: reply[4],
	}
	if a.Wait < 0 || a.Granted && a.Wait > maxWait || !a.Granted && a.Wait == 0 {
		return answer{}, fmt.Errorf("%w: granted %v, wait %v of %v at most", errRubbish, a.Granted, a.Wait, maxWait)
	}
	return a, nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// Cool holds a bot back in a chat.
func (r *Redis) Cool(ctx context.Context, bot, chat int64, length time.Duration) error {
	// Rounded up, because too early is worse than too late.
	millis := (length + time.Millisecond - 1).Milliseconds()
	if millis <= 0 {
		return nil
	}
	keys := keysOf(bot)
	err := r.cool.Run(ctx, r.client, []string{keys.chat(chat), keys.cooling(), keys.recent()}, chat, millis, r.window.Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("cool in Redis: %w", err)
	}
	return nil
}

// Cooling returns how long the bot is still held back in the chat.
func (r *Redis) Cooling(ctx context.Context, bot, chat int64) (time.Duration, error) {
	a, err := r.cooling(ctx, bot, chat)
	return a.Wait, err
}

// cooling runs the script without buckets, so only cool-downs count.
func (r *Redis) cooling(ctx context.Context, bot, chat int64) (answer, error) {
	keys := keysOf(bot)
	reply, err := r.reserve.Run(ctx, r.client, []string{keys.chat(chat), keys.cooling()}, 0, -1, 0).Int64Slice()
	if err != nil {
		return answer{}, fmt.Errorf("look for cool-downs in Redis: %w", err)
	}
	return parse(reply, 0)
}

// keysOf is a bot's id; its methods return the bot's keys.
type keysOf int64

func (k keysOf) key(what string) string {
	return "chorus:limit:{" + strconv.FormatInt(int64(k), 10) + "}:" + what
}

func (k keysOf) bucket() string  { return k.key("bucket") }
func (k keysOf) cooling() string { return k.key("cooling") }
func (k keysOf) recent() string  { return k.key("recent") }

func (k keysOf) chat(chat int64) string { return k.key("cooling:" + strconv.FormatInt(chat, 10)) }

func (k keysOf) chatBucket(chat int64, index int) string {
	return k.key("bucket:" + strconv.FormatInt(chat, 10) + ":" + strconv.Itoa(index))
}

// Try runs all of a limiter's operations once, with its own keys. It returns the reason why
// Redis can't be used.
func (r *Redis) Try(ctx context.Context) error {
	const nobody = 0 // no bot has this id
	rate := Rate{Every: time.Millisecond}
	if _, err := r.Reserve(ctx, Call{Bot: nobody, OfBot: rate, InChat: []Rate{rate}}, 0); err != nil {
		return err
	}
	if err := r.Cool(ctx, nobody, nobody, time.Millisecond); err != nil {
		return err
	}
	_, err := r.Cooling(ctx, nobody, nobody)
	return err
}
