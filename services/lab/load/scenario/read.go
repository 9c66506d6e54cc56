package scenario

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

// largest limits a file, in bytes.
const largest = 1 << 20

// Load reads a file. What is wrong with its content comes as errors of one line
// each, joined, that begin with the file.
func Load(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, largest))
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a scenario. The name is for errors.
func Parse(name string, data []byte) (*Scenario, error) {
	s := &Scenario{}
	if err := decode(data, s); err != nil {
		return nil, mistake(name, err)
	}
	if s.Services == nil {
		s.Services = map[string]int{}
	}
	for _, service := range Services() {
		if _, given := s.Services[service]; !given && service != Listener {
			s.Services[service] = 1
		}
	}
	problems := s.validate()
	if len(problems) == 0 {
		return s, nil
	}
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = fmt.Errorf("%s: %s", name, strings.ReplaceAll(p.Error(), "\n", "; ")) // a fault may be wrong in several ways
	}
	return nil, errors.Join(errs...)
}

// decode reads strictly. The decoder panics on some broken input (a tag without a
// value), and a user must see an error.
func decode(data []byte, s *Scenario) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("can't be read, want a YAML file as docs/load-lab.md describes")
		}
	}()
	if err := yaml.UnmarshalWithOptions(data, s, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) {
		return err //nolint:wrapcheck // mistake makes it one of the file
	}
	return nil
}

// mistake is an error of the YAML as one line, with its place if it has one.
func mistake(name string, err error) error {
	var placed yaml.Error
	if !errors.As(err, &placed) {
		return fmt.Errorf("%s: %s", name, names.Line(err.Error(), 0))
	}
	token := placed.GetToken()
	if token == nil || token.Position == nil {
		return fmt.Errorf("%s: %s", name, names.Line(placed.GetMessage(), 0))
	}
	return fmt.Errorf("%s:%d:%d: %s", name, token.Position.Line, token.Position.Column, names.Line(placed.GetMessage(), 0))
}

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
