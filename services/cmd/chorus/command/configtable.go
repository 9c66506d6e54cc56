package command

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// writeConfigTable writes a Markdown table for each section of the configuration. It groups
// the sections by the services that read them, which it finds by the commands' flags.
func writeConfigTable(w io.Writer, root *cobra.Command, rows []config.Row) error {
	groups := []struct {
		title   string
		belongs func(services []string) bool
	}{
		{"Several services", func(s []string) bool { return len(s) > 1 }},
		{"Planner", only("planner")},
		{"Generator", only("generator")},
		{"Sender", only("sender")},
		{"Listener", only("listener")},
		{"Console", only("console")},
		{"`chorus up` and the emulator", func(s []string) bool { return len(s) == 0 }},
	}
	sections, bySection := bySection(rows)
	for _, g := range groups {
		title := "\n## " + g.title + "\n"
		for _, name := range sections {
			services, others := readers(root, bySection[name])
			if !g.belongs(services) {
				continue
			}
			if _, err := fmt.Fprintf(w, "%s\n### %s\n\nRead by %s.\n\n", title, name, readBy(services, others)); err != nil {
				return fmt.Errorf("write the table: %w", err)
			}
			title = ""
			if err := config.WriteTable(w, bySection[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func only(service string) func([]string) bool {
	return func(services []string) bool { return len(services) == 1 && services[0] == service }
}

// bySection groups the rows by section, in the order of the sections.
func bySection(rows []config.Row) (sections []string, parts map[string][]config.Row) {
	parts = map[string][]config.Row{}
	for _, r := range rows {
		if len(parts[r.Section]) == 0 {
			sections = append(sections, r.Section)
		}
		parts[r.Section] = append(parts[r.Section], r)
	}
	return sections, parts
}

// readers returns the services and the other commands that have a flag of a section.
// Commands that read every section are left out.
func readers(root *cobra.Command, section []config.Row) (services, others []string) {
	for _, c := range root.Commands() {
		switch {
		case c.Name() == "up" || c.Name() == "config" || !reads(c, section):
		case c.GroupID == groupServices:
			services = append(services, c.Name())
		default:
			others = append(others, c.Name())
		}
	}
	return services, others
}

// reads tells whether a command or a subcommand has a flag of the section.
func reads(c *cobra.Command, section []config.Row) bool {
	has := func(r config.Row) bool {
		return r.Flag != "" && c.Flags().Lookup(strings.TrimPrefix(r.Flag, "--")) != nil
	}
	return slices.ContainsFunc(section, has) ||
		slices.ContainsFunc(c.Commands(), func(below *cobra.Command) bool { return reads(below, section) })
}

// readBy joins the names of the readers.
func readBy(services, others []string) string {
	all := slices.Concat(services, []string{"up"}, others)
	for i, name := range all {
		all[i] = "`" + name + "`"
	}
	if len(all) == 1 {
		return all[0]
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " and " + all[last]
}
