package deployment

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/goccy/go-yaml"
)

// writeConfig writes values by path, such as nats.url, as a configuration file.
func writeConfig(file string, values map[string]string) error {
	root := map[string]any{}
	for path, value := range values {
		at := root
		keys := strings.Split(path, ".")
		for _, key := range keys[:len(keys)-1] {
			inner, ok := at[key].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[key] = inner
			}
			at = inner
		}
		at[keys[len(keys)-1]] = value
	}
	text, err := yaml.Marshal(root)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return os.WriteFile(file, text, 0o600)
}

// run runs a command of the binary to its end.
func (p program) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, p.binary, append(args, "--config", p.config)...)
	cmd.Env, cmd.Dir = environment(), p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("chorus %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
