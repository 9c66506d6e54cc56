package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

// ParseLLMFault reads a fault of the model in its short form: KIND[:OPTION]...,
// such as server_error:rate=0.5, slow:delay=5s or rate_limited:retry_after=10s.
func ParseLLMFault(short string) (llmapi.Fault, error) {
	parts := strings.Split(short, ":")
	f := llmapi.Fault{Kind: llmapi.Kind(parts[0])}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch name {
		case "rate":
			f.Rate, err = strconv.ParseFloat(value, 64)
		case "times":
			f.Times, err = strconv.Atoi(value)
		case "delay":
			f.Delay, err = duration(value)
		case "retry_after":
			f.RetryAfter, err = duration(value)
		default:
			return f, fmt.Errorf("fault %q: %q is no option, want rate, times, delay or retry_after", short, name)
		}
		if err != nil {
			return f, fmt.Errorf("fault %q: %s: %q can't be read", short, name, value)
		}
	}
	if err := f.Validate(); err != nil {
		return f, fmt.Errorf("fault %q: %w", short, err)
	}
	return f, nil
}

func duration(text string) (jsontime.Duration, error) {
	d, err := time.ParseDuration(text)
	return jsontime.Duration(d), err
}
