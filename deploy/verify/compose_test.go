package verify_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose reads the compose file as docker compose does, with these variables in .env.
func compose(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../../docker-compose.yml"},
		cli.WithEnv(environment), cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// documented is the variables of docs/configuration.md by section, and the commands
// that read each section.
func documented(t *testing.T) (variables, readers map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	variables, readers = map[string][]string{}, map[string][]string{}
	variable, reader := regexp.MustCompile("`(CHORUS_[A-Z_]+)`"), regexp.MustCompile("`([a-z]+)`")
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		name, rest, _ := strings.Cut(section, "\n")
		readBy, rows, _ := strings.Cut(strings.TrimSpace(rest), "\n")
		for _, found := range reader.FindAllStringSubmatch(readBy, -1) {
			readers[name] = append(readers[name], found[1])
		}
		for _, found := range variable.FindAllStringSubmatch(rows, -1) {
			variables[name] = append(variables[name], found[1])
		}
	}
	if len(variables) < 10 {
		t.Fatalf("the page of the configuration has the sections %v", slices.Sorted(maps.Keys(variables)))
	}
	return variables, readers
}

// decided is what the compose file decides itself, as its comments say.
func decided(variable string) bool {
	return slices.Contains([]string{
		"CHORUS_DATABASE_URL", "CHORUS_NATS_URL", "CHORUS_NATS_CREDENTIALS", "CHORUS_REDIS_URL", "CHORUS_SECRET_KEYS", "CHORUS_SECRET_FILE",
		"CHORUS_OPS_LISTEN", "CHORUS_OPS_METRICS_TOKEN", "CHORUS_OPS_METRICS_OPEN",
		"CHORUS_EMULATOR_LISTEN", "CHORUS_EMULATOR_ANY_PORT", "CHORUS_EMULATOR_ALLOW_REMOTE", "CHORUS_EMULATOR_HOSTS", "CHORUS_EMULATOR_DIR",
		"CHORUS_CONSOLE_LISTEN", "CHORUS_CONSOLE_ANY_PORT", "CHORUS_CONSOLE_OPEN",
	}, variable)
}

// Whatever is documented reaches the containers that read it, when .env has it.
func TestComposePassesEverySettingOn(t *testing.T) {
	t.Parallel()
	variables, readers := documented(t)
	const marker = "marked"
	var environment []string
	for _, section := range variables {
		for _, v := range section {
			environment = append(environment, v+"="+marker)
		}
	}
	project := compose(t, environment...)
	checked := 0
	for name, service := range project.Services {
		if service.Image != "chorus:local" || name == "secrets" {
			continue
		}
		command := service.Command[0]
		for section, all := range variables {
			if !slices.Contains(readers[section], command) {
				continue
			}
			for _, v := range all {
				checked++
				got := service.Environment[v]
				if !decided(v) && (got == nil || *got != marker) {
					t.Errorf("%s does not get %s, which %s reads", name, v, command)
				}
			}
		}
	}
	const enough = 200
	if checked < enough {
		t.Errorf("only %d variables were looked at", checked)
	}
}

// Nothing has to be set, and what is not set does not reach a container as an empty
// value.
func TestComposePassesNothingOnThatIsNotSet(t *testing.T) {
	t.Parallel()
	for name, service := range compose(t).Services {
		for variable, value := range service.Environment {
			if value != nil && *value == "" {
				t.Errorf("%s gets an empty %s", name, variable)
			}
		}
	}
}

// A proxy that Docker gives to containers is not asked for what is inside.
func TestComposeKeepsInnerCallsFromAProxy(t *testing.T) {
	t.Parallel()
	project := compose(t, "NO_PROXY=intranet.example.org", "HTTPS_PROXY=http://proxy.example.org:3128")
	for name, service := range project.Services {
		if service.Image != "chorus:local" && name != "grafana" || name == "secrets" {
			continue
		}
		for _, variable := range []string{"NO_PROXY", "no_proxy"} {
			value := service.Environment[variable]
			if value == nil {
				t.Errorf("%s has no %s", name, variable)
				continue
			}
			except := strings.Split(*value, ",")
			for _, inner := range []string{"emulator", "nats", "postgres", "redis", "prometheus", "jaeger", "host.docker.internal", "127.0.0.1", "intranet.example.org"} {
				if !slices.Contains(except, inner) {
					t.Errorf("%s asks a proxy for %s (%s=%s)", name, inner, variable, *value)
				}
			}
		}
		if value := service.Environment["HTTPS_PROXY"]; value == nil || *value != "http://proxy.example.org:3128" {
			t.Errorf("%s does not get the proxy of .env", name)
		}
	}
}

// Ollama and others on the machine itself can be reached, on Linux, too.
func TestComposeReachesModelsOnTheHost(t *testing.T) {
	t.Parallel()
	project := compose(t)
	for _, name := range []string{"generator", "console", "check"} {
		service := project.Services[name]
		if hosts := service.ExtraHosts["host.docker.internal"]; !slices.Equal(hosts, []string{"host-gateway"}) {
			t.Errorf("%s finds the host at %v", name, hosts)
		}
		if _, outside := service.Networks["outside"]; !outside {
			t.Errorf("%s reaches nothing outside", name)
		}
	}
}

// Who sends nothing has no keys that open the bots' tokens.
func TestComposeGivesKeysToThoseWhoNeedThem(t *testing.T) {
	t.Parallel()
	opens := []string{"sender", "listener", "console", "demo", "cast", "check", "secrets"}
	for name, service := range compose(t).Services {
		has := slices.ContainsFunc(service.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Source == "secrets" })
		if has != slices.Contains(opens, name) {
			t.Errorf("%s has the volume of the keys: %t", name, has)
		}
		if named := service.Environment["CHORUS_SECRET_FILE"] != nil; named && !has {
			t.Errorf("%s is told of keys that it does not have", name)
		}
	}
}
